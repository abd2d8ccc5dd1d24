package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orc-project/orc/lab"
	"github.com/orc-project/orc/sleep"
)

const (
	paceEvery = 500 * time.Millisecond
	// slowest keeps a run on a machine that others have taken whole from lasting for
	// ever.
	slowest = 0.1
	// userHz is the unit of /proc/stat (USER_HZ, time(7)).
	userHz = 100
)

// pace is a clock for what orc must have done within a time: it is slower than the
// wall's by what processes that are not the lab's have taken of the cores. On a
// machine of its own it is the wall's: what orc itself wastes is held against it.
type pace struct {
	mu     sync.Mutex
	told   time.Duration // at most: it never goes back
	passed time.Duration // until the last reading
	last   reading
	share  float64 // of the cores that the lab could have since the one before
}

// reading is what the cores have done so far.
type reading struct {
	at   time.Time
	busy time.Duration         // all of them together, for processes or another machine
	ours map[int]time.Duration // the lab's and the suite's part, by process
}

func newPace() *pace { return &pace{last: reading{at: time.Now()}, share: 1} }

// Now is the time since the clock was made.
func (p *pace) Now() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = max(p.told, p.passed+scaled(time.Since(p.last.at), p.share))
	return p.told
}

// fair says whether others leave the lab enough of the cores for every process of it to
// have some all the time.
func (p *pace) fair() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.share >= 0.5
}

// run keeps the clock right for a lab until ctx ends.
func (p *pace) run(ctx context.Context, l *lab.Lab) error {
	before, err := read(l)
	for err == nil {
		if sleep.For(ctx, paceEvery) != nil {
			return nil
		}
		var after reading
		if after, err = read(l); err == nil {
			p.add(after, free(before, after, runtime.NumCPU()))
			before = after
		}
	}
	return fmt.Errorf("read what the cores do: %w", err)
}

func (p *pace) add(now reading, share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed += scaled(now.at.Sub(p.last.at), share)
	p.last, p.share = now, share
}

func scaled(d time.Duration, share float64) time.Duration { return time.Duration(float64(d) * share) }

// free is the share of the cores that others have left to the lab between two
// readings. A process of the lab that ended between them counts as another's, unless
// its parent has it by now.
func free(before, after reading, cores int) float64 {
	others := after.busy - before.busy
	for pid, spent := range after.ours {
		others -= max(0, spent-before.ours[pid])
	}
	all := time.Duration(cores) * after.at.Sub(before.at)
	return min(1, max(slowest, 1-float64(others)/float64(all)))
}

func read(l *lab.Lab) (reading, error) {
	ours, err := l.Spent()
	if err != nil {
		return reading{}, err
	}
	var self, children syscall.Rusage
	err = errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &self), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children))
	if err != nil {
		return reading{}, err
	}
	for _, usage := range []syscall.Rusage{self, children} {
		ours[os.Getpid()] += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return reading{}, err
	}
	busy, err := busyTime(string(text))
	return reading{time.Now(), busy, ours}, err
}

// busyTime is what the first line of /proc/stat (proc_stat(5)) has of processes, nice
// or not, in user mode and in the kernel, and of other machines on the same cores
// ("steal"). Interrupts are nobody's, guests are in the user's time already.
func busyTime(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var sum time.Duration
	for _, i := range []int{1, 2, 3, 8} {
		count, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat begins with %q: %w", line, err)
		}
		sum += time.Duration(count) * time.Second / userHz
	}
	return sum, nil
}
