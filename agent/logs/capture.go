package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// MaxLine is how much of a line is kept together, in bytes; what is longer is kept
// in pieces.
const MaxLine = 16 << 10

// pipeSize is how much output, in bytes, waits for an agent that is busy, or dead for
// a while, before the container does: 64 KiB, as pipes have, are a second's of a busy
// web server.
const pipeSize = 512 << 10

// maxDrain is how much Close reads at most, in bytes: more than a pipe holds
// (pipe(7)), so that only a container that writes on is left off.
const maxDrain = 1 << 20

// Source is whose output is captured, from where, and how much of it is kept.
type Source struct {
	Task, Container string
	Attempt         int
	// Stdout and Stderr are paths of FIFOs, made when missing; "" for none.
	Stdout, Stderr string
	// MaxSize of a segment in bytes, and how many segments are kept.
	MaxSize  int64
	MaxFiles int
}

// Capture reads one container's output until Close.
type Capture struct {
	store   *Store
	source  Source
	log     *zap.Logger
	files   []*os.File
	readers sync.WaitGroup
	closing sync.Once

	mu      sync.Mutex
	current segment
	file    *os.File
	size    int64
	lost    int  // lines that could not be written
	failing bool // the last write failed
}

// Capture begins to read a container's output, or goes on where an earlier process
// stopped: what was written meanwhile is in the FIFOs, whose other ends the shim
// holds. A container is captured once; again, it returns the same Capture.
func (s *Store) Capture(source Source) (*Capture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.captures[source.Container]; found != nil {
		return found, nil
	}
	c := &Capture{store: s, source: source, log: s.log.With(zap.String("container", source.Container))}
	if err := c.open(); err != nil {
		c.closeFiles()
		return nil, fmt.Errorf("capture output of container %s: %w", source.Container, err)
	}
	s.captures[source.Container] = c
	for i, file := range c.files {
		stream := byte("oe"[i])
		c.readers.Go(func() { c.read(file, stream) })
	}
	return c, nil
}

// Close writes what is in the FIFOs, ends the capture and closes the FIFOs. The
// segments stay.
func (c *Capture) Close() {
	c.closing.Do(func() {
		for _, file := range c.files {
			file.SetReadDeadline(time.Now())
		}
		c.readers.Wait()
		c.closeFiles()
		c.store.mu.Lock()
		delete(c.store.captures, c.source.Container)
		c.store.mu.Unlock()
		c.store.notify(c.source.Task)
	})
}

func (c *Capture) open() error {
	if err := os.MkdirAll(c.store.path(c.source.Task), 0o700); err != nil {
		return err
	}
	segments, err := c.store.segments(c.source.Task)
	if err != nil {
		return err
	}
	c.current = segment{c.source.Attempt, c.source.Container, 0}
	for _, g := range segments {
		if g.container == c.source.Container {
			c.current = g
		}
	}
	if err := c.openSegment(); err != nil {
		// The container must not block for want of a reader: append tries again.
		c.log.Warn("output is lost", zap.Error(err))
		c.failing = true
	}
	for _, path := range []string{c.source.Stdout, c.source.Stderr} {
		if path == "" {
			continue
		}
		file, err := openFIFO(path)
		if err != nil {
			return err
		}
		c.files = append(c.files, file)
		if err := enlarge(file); err != nil {
			c.log.Debug("a container's FIFO stays small", zap.Error(err))
		}
	}
	return nil
}

// openFIFO opens both ends, so that reading never ends because a writer did.
func openFIFO(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make FIFO %s: %w", path, err)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

func enlarge(file *os.File) error {
	connection, err := file.SyscallConn()
	if err != nil {
		return err
	}
	control := connection.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	return errors.Join(control, err)
}

// openSegment opens the current segment to append. A line that a crash left torn
// is ended, so that the next one stands alone.
func (c *Capture) openSegment() error {
	path := filepath.Join(c.store.path(c.source.Task), c.current.name())
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	if size := info.Size(); size > 0 {
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err == nil && last[0] != '\n' {
			if _, err := file.Write([]byte{'\n'}); err != nil {
				file.Close()
				return err
			}
			info, _ = file.Stat()
		}
	}
	c.file, c.size = file, info.Size()
	return nil
}

// read takes lines from one FIFO until its deadline, and then what is in it still.
func (c *Capture) read(file *os.File, stream byte) {
	buffer, filled := make([]byte, MaxLine), 0
	for {
		n, err := file.Read(buffer[filled:])
		filled = c.take(buffer, filled+n, stream)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			c.log.Warn("output cannot be read", zap.Error(err))
			break
		}
	}
	for drained := 0; drained < maxDrain; {
		n := readPresent(file, buffer[filled:])
		if n == 0 {
			break
		}
		drained += n
		filled = c.take(buffer, filled+n, stream)
	}
	if filled > 0 {
		c.append(appendLine(nil, time.Now(), buffer[:filled], stream, true))
	}
}

// readPresent reads what is there, without waiting.
func readPresent(file *os.File, p []byte) (n int) {
	connection, err := file.SyscallConn()
	if err != nil || file.SetReadDeadline(time.Time{}) != nil {
		return 0
	}
	err = connection.Read(func(fd uintptr) bool {
		for {
			var err error
			if n, err = unix.Read(int(fd), p); !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// take writes the whole lines of the buffer, in one write, and moves the rest to
// its front. A full buffer without a newline is a piece of a line.
func (c *Capture) take(buffer []byte, filled int, stream byte) (rest int) {
	var batch []byte
	lines := buffer[:filled]
	for {
		at := bytes.IndexByte(lines, '\n')
		if at < 0 {
			break
		}
		batch = appendLine(batch, time.Now(), lines[:at], stream, false)
		lines = lines[at+1:]
	}
	if len(lines) == len(buffer) {
		batch = appendLine(batch, time.Now(), lines, stream, true)
		lines = nil
	}
	if len(batch) > 0 {
		c.append(batch)
	}
	return copy(buffer, lines)
}

func appendLine(batch []byte, at time.Time, text []byte, stream byte, partial bool) []byte {
	batch = strconv.AppendInt(batch, at.UnixNano(), 10)
	kind := byte('F')
	if partial {
		kind = 'P'
	}
	batch = append(batch, ' ', stream, ' ', kind, ' ')
	batch = append(batch, bytes.TrimSuffix(text, []byte{'\r'})...)
	return append(batch, '\n')
}

// append writes lines to the current segment. A disk that is full must not block
// the container: the lines are dropped, counted, and told of.
func (c *Capture) append(lines []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		if err := c.openSegment(); err != nil {
			c.drop(lines, err)
			return
		}
	}
	if c.size > 0 && c.size+int64(len(lines)) > c.source.MaxSize {
		if err := c.rotate(); err != nil {
			c.drop(lines, err)
			return
		}
	}
	n, err := c.file.Write(lines)
	c.size += int64(n)
	if err != nil {
		c.file.Truncate(c.size - int64(n)) // no torn line; should it fail, readers skip one
		c.size -= int64(n)
		c.drop(lines, err)
		return
	}
	if c.failing {
		c.log.Warn("output is kept again", zap.Int("lostLines", c.lost))
		c.failing = false
	}
	c.store.notify(c.source.Task)
}

func (c *Capture) drop(lines []byte, err error) {
	c.lost += bytes.Count(lines, []byte{'\n'})
	if !c.failing {
		c.log.Warn("output is lost", zap.Error(err))
	}
	c.failing = true
}

// rotate begins a new segment and removes those that are too many.
func (c *Capture) rotate() error {
	old := c.file
	c.current.number++
	if err := c.openSegment(); err != nil {
		c.current.number--
		return err
	}
	old.Close()
	oldest := c.current
	oldest.number -= max(c.source.MaxFiles, 1)
	if oldest.number >= 0 {
		err := os.Remove(filepath.Join(c.store.path(c.source.Task), oldest.name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("old output stays", zap.Error(err))
		}
	}
	return nil
}

func (c *Capture) closeFiles() {
	for _, file := range c.files {
		file.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		c.file.Close()
	}
}
