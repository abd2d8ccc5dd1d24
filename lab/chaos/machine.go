package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Not every machine can do all that the suite asks for. What a fault needs says what
// is missing, or nil.

// loopDisks is for disks that are images: else they are plain memory.
func loopDisks() error {
	_, missing := exec.LookPath("mkfs.ext4")
	_, err := os.Stat("/dev/loop-control")
	return errors.Join(missing, err)
}

// quotas is for processes that get no more than a part of a core.
func quotas() error {
	var errs []error
	for _, c := range controllers {
		err := c.allot("probe")
		os.Remove(c.group("probe")) // what is not there need not go
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// possible are the names of the faults that may be drawn here, sorted, and a line for
// each of the others.
func possible() (names, missing []string) {
	for name, fault := range Faults {
		if fault.Weight == 0 {
			continue
		}
		if fault.Needs != nil {
			if err := fault.Needs(); err != nil {
				missing = append(missing, fmt.Sprintf("NOT TESTED: %s: %s", name, strings.ReplaceAll(err.Error(), "\n", "; ")))
				continue
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Sort(missing)
	return names, missing
}
