package limit

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// number is what a limit is counted in.
type number interface {
	int | int64 | float64 | time.Duration
}

// setting is a limit by the name that an operator gives it.
type setting struct {
	name string
	set  func(l *Limits, text string) error
	text func(l *Limits) string
}

// settings are all there are. The least of each is what a node that keeps to the
// rules needs: what is less would shut it out.
var settings = []setting{
	numberOf("handshakes", 1, parseFloat, func(l *Limits) *float64 { return &l.Handshakes }),
	numberOf("handshakes-burst", 1, parseCount[int], func(l *Limits) *int { return &l.HandshakesBurst }),
	numberOf("handshake-timeout", time.Second, time.ParseDuration, func(l *Limits) *time.Duration { return &l.HandshakeTimeout }),
	numberOf("strangers", 1, parseCount[int], func(l *Limits) *int { return &l.Strangers }),
	numberOf("all-strangers", 1, parseCount[int], func(l *Limits) *int { return &l.AllStrangers }),
	numberOf("stranger-life", time.Second, time.ParseDuration, func(l *Limits) *time.Duration { return &l.StrangerLife }),
	numberOf("requests", 1, parseFloat, func(l *Limits) *float64 { return &l.Requests }),
	numberOf("all-requests", 1, parseFloat, func(l *Limits) *float64 { return &l.AllRequests }),
	numberOf("requests-at-once", 1, parseCount[int], func(l *Limits) *int { return &l.AtOnce }),
	numberOf("body-limit", 16<<10, parseCount[int64], func(l *Limits) *int64 { return &l.BodyLimit }),
	numberOf("body-timeout", time.Second, time.ParseDuration, func(l *Limits) *time.Duration { return &l.BodyTimeout }),
	numberOf("wrong-tokens", 0.01, parseFloat, func(l *Limits) *float64 { return &l.Failures }),
	numberOf("wrong-tokens-burst", 1, parseCount[int], func(l *Limits) *int { return &l.FailuresBurst }),
	numberOf("connections", 16, parseCount[int], func(l *Limits) *int { return &l.Connections }),
	numberOf("all-connections", 64, parseCount[int], func(l *Limits) *int { return &l.AllConnections }),
	numberOf("worker-requests", 1, parseFloat, func(l *Limits) *float64 { return &l.Costs }),
	numberOf("worker-requests-burst", 50, parseCount[int], func(l *Limits) *int { return &l.CostsBurst }),
}

func numberOf[T number](name string, least T, parse func(string) (T, error), field func(*Limits) *T) setting {
	return setting{
		name: name,
		set: func(l *Limits, text string) error {
			value, err := parse(text)
			if err != nil {
				return fmt.Errorf("limit %s=%s: want a value as %v", name, text, *field(new(Default())))
			}
			if cmp.Less(value, least) {
				return fmt.Errorf("limit %s=%s: the least is %v", name, text, least)
			}
			*field(l) = value
			return nil
		},
		text: func(l *Limits) string { return fmt.Sprint(*field(l)) },
	}
}

// Set changes one limit, by its name, to what the text says.
func (l *Limits) Set(name, text string) error {
	var names []string
	for _, each := range settings {
		if each.name == name {
			return each.set(l, text)
		}
		names = append(names, each.name)
	}
	return fmt.Errorf("there is no limit %q; there are %s", name, strings.Join(names, ", "))
}

// Check says what does not go together.
func (l *Limits) Check() error {
	if l.Strangers > l.AllStrangers {
		return fmt.Errorf("limit strangers=%d: that is more than all-strangers=%d", l.Strangers, l.AllStrangers)
	}
	if l.Connections > l.AllConnections {
		return fmt.Errorf("limit connections=%d: that is more than all-connections=%d", l.Connections, l.AllConnections)
	}
	if l.Requests > l.AllRequests {
		return fmt.Errorf("limit requests=%v: that is more than all-requests=%v", l.Requests, l.AllRequests)
	}
	return nil
}

// Changes are the limits that are not the default ones, as name=value.
func (l *Limits) Changes() []string {
	usual := Default()
	var changes []string
	for _, each := range settings {
		if text := each.text(l); text != each.text(&usual) {
			changes = append(changes, each.name+"="+text)
		}
	}
	return changes
}

// parseFloat refuses what is a number for computers alone.
func parseFloat(text string) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(value) || math.IsInf(value, 0) || value > math.MaxInt32) {
		err = strconv.ErrRange
	}
	return value, err
}

func parseCount[T int | int64](text string) (T, error) {
	value, err := strconv.ParseInt(text, 10, 32)
	return T(value), err
}
