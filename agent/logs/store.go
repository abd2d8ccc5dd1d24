// Package logs keeps what containers write: it reads their FIFOs line by line,
// writes the lines with time and stream into segments that are rotated by size and
// count, and reads them back, following if asked.
//
// It knows tasks and containers by their IDs only, and never decides how long a
// task's logs are kept: Remove is the caller's.
//
// # On disk
//
// DIR/TASK/ATTEMPT-CONTAINER-NUMBER.log, so that the names' order is the order in
// time. A line of a segment is
//
//	<unix nanoseconds> <o or e> <F or P> <text>\n
//
// o and e are stdout and stderr, P marks a piece of a longer line. A text never has
// a newline; other bytes are as the container wrote them.
package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// Store is the logs of one node. It is safe for use by several goroutines.
type Store struct {
	dir string
	log *zap.Logger

	mu       sync.Mutex
	captures map[string]*Capture // by container
	changed  map[string]chan struct{}
}

// New makes a Store below dir, which need not exist yet.
func New(dir string, log *zap.Logger) *Store {
	return &Store{dir: dir, log: log, captures: make(map[string]*Capture), changed: make(map[string]chan struct{})}
}

// Remove forgets a task's logs and ends its captures and followers.
func (s *Store) Remove(task string) error {
	s.mu.Lock()
	for _, capture := range s.captures {
		if capture.source.Task == task {
			defer capture.Close()
		}
	}
	s.mu.Unlock()
	if err := os.RemoveAll(s.path(task)); err != nil {
		return fmt.Errorf("remove logs of task %s: %w", task, err)
	}
	s.notify(task)
	return nil
}

// Keep forgets the logs of a task's containers that are not among these.
func (s *Store) Keep(task string, containers []string) error {
	segments, err := s.segments(task)
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range segments {
		if slices.Contains(containers, g.container) {
			continue
		}
		if err := os.Remove(filepath.Join(s.path(task), g.name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove logs of task %s: %w", task, err))
		}
	}
	return errors.Join(errs...)
}

// Close ends every capture, after what is in the FIFOs now was written.
func (s *Store) Close() {
	s.mu.Lock()
	captures := make([]*Capture, 0, len(s.captures))
	for _, capture := range s.captures {
		captures = append(captures, capture)
	}
	s.mu.Unlock()
	var closing sync.WaitGroup // each waits for output on its way: all at once
	for _, capture := range captures {
		closing.Go(capture.Close)
	}
	closing.Wait()
}

func (s *Store) path(task string) string { return filepath.Join(s.dir, task) }

// watch returns a channel that is closed when the task's logs change next.
func (s *Store) watch(task string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed[task] == nil {
		s.changed[task] = make(chan struct{})
	}
	return s.changed[task]
}

func (s *Store) notify(task string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if changed := s.changed[task]; changed != nil {
		close(changed)
		delete(s.changed, task)
	}
}

// segment is one file of a task's logs.
type segment struct {
	attempt   int
	container string
	number    int
}

func (g segment) name() string {
	return fmt.Sprintf("%06d-%s-%06d.log", g.attempt, g.container, g.number)
}

func parseSegment(name string) (segment, bool) {
	parts := strings.Split(strings.TrimSuffix(name, ".log"), "-")
	if len(parts) != 3 || !strings.HasSuffix(name, ".log") {
		return segment{}, false
	}
	attempt, err := strconv.Atoi(parts[0])
	number, err2 := strconv.Atoi(parts[2])
	return segment{attempt, parts[1], number}, err == nil && err2 == nil
}

func (g segment) compare(other segment) int {
	return cmp.Or(cmp.Compare(g.attempt, other.attempt), strings.Compare(g.container, other.container), cmp.Compare(g.number, other.number))
}

// segments lists a task's, the oldest first; a task without logs has none.
func (s *Store) segments(task string) ([]segment, error) {
	entries, err := os.ReadDir(s.path(task))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("logs of task %s: %w", task, err)
	}
	var found []segment
	for _, entry := range entries {
		if g, ok := parseSegment(entry.Name()); ok {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, segment.compare)
	return found, nil
}

// Sizes are the bytes that each task's logs take on disk, by the task's ID.
func (s *Store) Sizes() (map[string]int64, error) {
	tasks, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("measure logs: %w", err)
	}
	sizes := make(map[string]int64, len(tasks))
	for _, task := range tasks {
		segments, err := os.ReadDir(s.path(task.Name()))
		if err != nil {
			continue // just removed
		}
		sizes[task.Name()] = 0
		for _, segment := range segments {
			if info, err := segment.Info(); err == nil { // else just rotated away
				sizes[task.Name()] += info.Size()
			}
		}
	}
	return sizes, nil
}
