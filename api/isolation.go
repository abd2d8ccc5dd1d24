package api

import (
	"strings"
	"time"
)

// ParseIsolation reads what a service's tasks do on a node that no manager
// reaches: "continue", which is nil, or "stop-after=30s".
func ParseIsolation(text string) (stopAfter *Duration, err error) {
	if text == "continue" {
		return nil, nil
	}
	value, found := strings.CutPrefix(text, "stop-after=")
	after, parseErr := time.ParseDuration(value)
	if !found || parseErr != nil {
		return nil, Invalidf("isolation %q: use continue, or stop-after=30s", text)
	}
	duration := Duration(after)
	return &duration, nil
}
