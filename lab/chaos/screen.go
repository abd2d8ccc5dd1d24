package chaos

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// screen is where a run tells what it does, a line each.
type screen struct {
	out   io.Writer
	began time.Time
	mu    sync.Mutex
}

// say tells of the run, with the time since it began.
func (s *screen) say(format string, args ...any) {
	s.print(time.Since(s.began).Round(time.Second).String(), fmt.Sprintf(format, args...))
}

// line tells of a round, whose clock is now.
func (s *screen) line(now time.Duration, what string) {
	s.print(fmt.Sprintf("    %5.1fs", now.Seconds()), what)
}

func (s *screen) print(when, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%-10s %s\n", when, what)
}
