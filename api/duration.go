package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a length of time that JSON shows to people as "1m30s". It also
// reads a plain number, in nanoseconds.
type Duration time.Duration

// Std returns the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String formats as time.Duration does: "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the form of String.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads "1m30s" or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("duration %q: want something like 1m30s", text)
		}
		*d = Duration(parsed)
		return nil
	}
	var nanoseconds int64
	if err := json.Unmarshal(data, &nanoseconds); err != nil {
		return fmt.Errorf("duration %s: want something like \"1m30s\"", data)
	}
	*d = Duration(nanoseconds)
	return nil
}
