package chaos

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Config says what a run does.
type Config struct {
	// Dir gets the lab, and is removed with it; empty is a new one.
	Dir string
	// Binary is the orc that is tried, Images the directory of the demo images.
	Binary, Images string
	Managers       int
	Agents         int
	Subnet         netip.Prefix // zero picks a free one
	// Duration is how long rounds are begun; Rounds, unless 0, is how many there are.
	Duration time.Duration
	Rounds   int
	// Seed and the number of a round decide what happens in it. First is the number
	// of the first one.
	Seed  uint64
	First int
	// Faults are the names of those that may happen; empty is all that make sense.
	Faults []string
	// Most is how many faults there are in a round at most, within Span; 0 is as many
	// as there are managers: enough to hurt some while the others can go on without
	// them, and sometimes more.
	Most int
	Span time.Duration
	// Each has all faults happen in turn, two in each round beside what is drawn.
	Each bool
	// Converge is how long after the last fault the cluster may take to be as it
	// should be, Grace how long a node that was hurt is not judged.
	Converge, Grace time.Duration
	// Report is the directory in which a failure's own directory is made.
	Report string
	// Keep leaves the lab of a failed run as it is.
	Keep bool
	// script, which may be nil, takes the place of what the seed would draw.
	script *script
	// Out is told what happens.
	Out io.Writer
}

// Default is what people get who say nothing.
func Default() Config {
	return Config{
		Binary: "bin/orc", Images: "build/images", Managers: 3, Agents: 2, Duration: 10 * time.Minute,
		Span: 8 * time.Second, Converge: 10 * time.Second, Grace: 10 * time.Second, Report: os.TempDir(), Out: io.Discard,
	}
}

// Validate says what is wrong with it.
func (c Config) Validate() error {
	if os.Geteuid() != 0 {
		return errors.New("the fault suite makes a lab: it needs root")
	}
	for what, path := range map[string]string{"orc": c.Binary, "the demo images": c.Images} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w (`make build images` makes it)", what, err)
		}
	}
	for _, name := range c.Faults {
		if _, known := Faults[name]; !known {
			return fmt.Errorf("there is no fault %q: there are %v", name, faultNames())
		}
	}
	if c.Most < 0 || c.Converge <= 0 {
		return errors.New("a round has some faults at most, and some time to converge")
	}
	return nil
}

// shape is what rounds are like.
func (c Config) shape() Shape {
	s := Shape{Faults: c.Faults, Roles: []Role{Leader}, Most: c.Most, Span: c.Span}
	if s.Most == 0 {
		s.Most = c.Managers
	}
	if c.Managers > 1 {
		s.Roles = append(s.Roles, Manager)
	}
	if c.Agents > 0 {
		s.Roles = append(s.Roles, Worker)
	}
	if len(s.Faults) == 0 {
		s.Faults, _ = possible()
	}
	return s
}

func faultNames() []string {
	var names []string
	for name, fault := range Faults {
		if fault.Weight > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
