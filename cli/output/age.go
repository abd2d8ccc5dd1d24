package output

import (
	"time"

	"github.com/docker/go-units"
)

// Ago tells a time as Docker does: "3 minutes ago"; the zero time is "".
func Ago(now, then time.Time) string {
	if age := Age(now, then); age != "" {
		return age + " ago"
	}
	return ""
}

// Age tells how long ago a time was: "3 minutes"; the zero time is "". A time
// that is ahead, from a clock that is, counts as now.
func Age(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	return units.HumanDuration(max(now.Sub(then), 0))
}

// Size tells a number of bytes in powers of 1,024: "12.5MiB".
func Size(bytes int64) string { return units.BytesSize(float64(bytes)) }
