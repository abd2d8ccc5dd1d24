package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/orc-project/orc/api"
)

// Query says which lines to read.
type Query struct {
	Task string
	// Container limits the lines to one container's; empty is all of the task's.
	Container string
	// Since and Until bound the lines' times; zero is no bound.
	Since, Until time.Time
	// Tail is how many of the last lines to begin with; negative is all.
	Tail int
	// Follow goes on with lines as they come, until ctx ends, the task's logs are
	// removed, or Until has passed.
	Follow bool
}

// Read calls yield with each line, the oldest first, until it returns an error,
// which Read returns. Lines have neither task nor node name: the caller adds them.
func (s *Store) Read(ctx context.Context, query Query, yield func(api.LogLine) error) error {
	segments, err := s.segments(query.Task)
	if err != nil {
		return err
	}
	segments = query.mine(segments)
	skip := 0
	if query.Tail >= 0 {
		if segments, skip, err = s.tail(query, segments); err != nil {
			return err
		}
	}
	r := &reader{store: s, query: query, skip: skip, yield: yield}
	defer r.close()
	for _, g := range segments {
		if err := r.open(g); err != nil {
			return err
		}
		if err := r.drain(); err != nil {
			return ended(err)
		}
	}
	if !query.Follow {
		return nil
	}
	return ended(r.follow(ctx))
}

// errDone ends reading early and is no error.
var errDone = errors.New("no more lines")

func ended(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

func (q Query) mine(segments []segment) []segment {
	var mine []segment
	for _, g := range segments {
		if q.Container == "" || g.container == q.Container {
			mine = append(mine, g)
		}
	}
	return mine
}

// tail returns the segments that have the last lines, and how many lines of the
// first are too many.
func (s *Store) tail(query Query, segments []segment) (rest []segment, skip int, err error) {
	if query.Tail == 0 {
		if len(segments) == 0 {
			return nil, 0, nil
		}
		last := segments[len(segments)-1]
		count, err := s.count(query, last)
		return []segment{last}, count, err
	}
	total := 0
	for i := len(segments) - 1; i >= 0; i-- {
		count, err := s.count(query, segments[i])
		if err != nil {
			return nil, 0, err
		}
		if total += count; total >= query.Tail {
			return segments[i:], total - query.Tail, nil
		}
	}
	return segments, 0, nil
}

// count counts a segment's lines within the query's times.
func (s *Store) count(query Query, g segment) (count int, err error) {
	r := &reader{store: s, query: query, yield: func(api.LogLine) error { count++; return nil }}
	defer r.close()
	if err := r.open(g); err != nil {
		return 0, err
	}
	return count, ended(r.drain())
}

// reader reads segment after segment.
type reader struct {
	store *Store
	query Query
	skip  int // lines to leave out
	yield func(api.LogLine) error

	current segment
	file    *os.File
	lines   *bufio.Reader
	rest    []byte // a line whose end is not written yet
}

func (r *reader) open(g segment) error {
	r.close()
	if r.current != (segment{}) {
		r.skip = 0 // it counts lines of the first one, which may be rotated away meanwhile
	}
	file, err := os.Open(filepath.Join(r.store.path(r.query.Task), g.name()))
	if errors.Is(err, fs.ErrNotExist) {
		r.current = g
		return nil // rotated away meanwhile
	}
	if err != nil {
		return fmt.Errorf("read logs of task %s: %w", r.query.Task, err)
	}
	r.current, r.file, r.rest = g, file, nil
	r.lines = bufio.NewReaderSize(file, 64<<10)
	return nil
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// drain yields every line that is there.
func (r *reader) drain() error {
	if r.file == nil {
		return nil
	}
	for {
		piece, err := r.lines.ReadSlice('\n')
		r.rest = append(r.rest, piece...)
		if err == nil {
			line, ok := parseLine(r.rest[:len(r.rest)-1])
			r.rest = r.rest[:0]
			if !ok {
				continue // torn by a crash
			}
			line.Container = r.current.container
			if err := r.pass(line); err != nil {
				return err
			}
			continue
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(r.rest) > 2*MaxLine {
				r.rest = r.rest[:0] // nothing that Capture writes
			}
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("read logs of task %s: %w", r.query.Task, err)
		}
	}
}

func (r *reader) pass(line api.LogLine) error {
	switch {
	case line.Time.Before(r.query.Since):
		return nil
	case !r.query.Until.IsZero() && line.Time.After(r.query.Until):
		return errDone
	case r.skip > 0:
		r.skip--
		return nil
	}
	return r.yield(line)
}

// follow yields lines as they come. Containers that follow the current one are
// read on with.
func (r *reader) follow(ctx context.Context) error {
	var expired <-chan time.Time
	if !r.query.Until.IsZero() {
		timer := time.NewTimer(time.Until(r.query.Until))
		defer timer.Stop()
		expired = timer.C
	}
	for {
		changed := r.store.watch(r.query.Task) // before looking: no change is missed
		if err := r.drain(); err != nil {
			return err
		}
		if next, found, err := r.next(); err != nil {
			return err
		} else if found {
			if err := r.drain(); err != nil { // what came before the next one began
				return err
			}
			if err := r.open(next); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat(r.store.path(r.query.Task)); errors.Is(err, fs.ErrNotExist) && r.file != nil {
			return nil // removed
		}
		select {
		case <-ctx.Done():
			return nil
		case <-expired:
			return nil
		case <-changed:
		}
	}
}

// next is the segment after the current one.
func (r *reader) next() (segment, bool, error) {
	segments, err := r.store.segments(r.query.Task)
	if err != nil {
		return segment{}, false, err
	}
	for _, g := range r.query.mine(segments) {
		if g.compare(r.current) > 0 {
			return g, true, nil
		}
	}
	return segment{}, false, nil
}

// parseLine reads a line of a segment, without its newline.
func parseLine(line []byte) (api.LogLine, bool) {
	number, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(rest) < 4 || rest[1] != ' ' || rest[3] != ' ' {
		return api.LogLine{}, false
	}
	nanoseconds, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return api.LogLine{}, false
	}
	streams := map[byte]string{'o': "stdout", 'e': "stderr"}
	stream, known := streams[rest[0]]
	if !known || rest[2] != 'F' && rest[2] != 'P' {
		return api.LogLine{}, false
	}
	return api.LogLine{Time: time.Unix(0, nanoseconds), Stream: stream, Text: string(rest[4:]), Partial: rest[2] == 'P'}, true
}
