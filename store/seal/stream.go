package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// A long text is sealed in chunks, so that neither end holds all of it: the
// STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-
// Encryption and its Nonce-Reuse Misuse-Resistance, 2015). The nonce counts the
// chunks and marks the last one, so that none can be left out, doubled, moved or
// cut off unnoticed. The key must be used for one text only.

// chunkSize is how much of the plain text is in one chunk, in bytes.
const chunkSize = 64 << 10

// NewStreamKey makes a key for one text.
func NewStreamKey() []byte { return random(KeySize) }

// stream is what both ends share.
type stream struct {
	aead       cipher.AEAD
	associated []byte
	nonce      [chacha20poly1305.NonceSizeX]byte
	count      uint64
}

func newStream(key, associated []byte) (stream, error) {
	aead, err := chacha20poly1305.NewX(key)
	return stream{aead: aead, associated: associated}, err
}

// next is the nonce of the next chunk.
func (s *stream) next(last bool) []byte {
	end := len(s.nonce) - 1
	binary.BigEndian.PutUint64(s.nonce[end-8:], s.count)
	s.nonce[end] = 0
	if last {
		s.nonce[end] = 1
	}
	s.count++
	return s.nonce[:]
}

// StreamWriter seals what is written to it. Without Close the text is not whole.
type StreamWriter struct {
	stream
	out   io.Writer
	plain []byte // less than a chunk, or a full one that may be the last
	err   error
}

// NewStreamWriter seals to out with the key of NewStreamKey; associated is
// authenticated with each chunk.
func NewStreamWriter(out io.Writer, key, associated []byte) (*StreamWriter, error) {
	s, err := newStream(key, associated)
	return &StreamWriter{stream: s, out: out, plain: make([]byte, 0, chunkSize)}, err
}

// Write implements io.Writer.
func (w *StreamWriter) Write(data []byte) (int, error) {
	written := 0
	for w.err == nil && len(data) > 0 {
		if len(w.plain) == chunkSize {
			w.flush(false)
			continue
		}
		n := min(chunkSize-len(w.plain), len(data))
		w.plain = append(w.plain, data[:n]...)
		data = data[n:]
		written += n
	}
	return written, w.err
}

// Close writes the last chunk. It does not close what it writes to.
func (w *StreamWriter) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("the text is complete")
	return nil
}

func (w *StreamWriter) flush(last bool) {
	_, w.err = w.out.Write(w.aead.Seal(nil, w.next(last), w.plain, w.associated))
	w.plain = w.plain[:0]
}

// streamReader opens what a StreamWriter sealed.
type streamReader struct {
	stream
	in    io.Reader
	ahead []byte // read of the next chunk already, to know whether there is one
	plain []byte
	done  bool
}

// NewStreamReader opens what was sealed with the same key and associated. What it
// returns is authentic, and whole once it has returned io.EOF; anything else ends
// in ErrDamaged.
func NewStreamReader(in io.Reader, key, associated []byte) (io.Reader, error) {
	s, err := newStream(key, associated)
	return &streamReader{stream: s, in: in}, err
}

// Read implements io.Reader.
func (r *streamReader) Read(data []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.done {
			return 0, io.EOF
		}
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	n := copy(data, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// open reads and opens one chunk. A chunk is the last when nothing follows it.
func (r *streamReader) open() error {
	const size = chunkSize + chacha20poly1305.Overhead
	chunk := make([]byte, size+1)
	n := copy(chunk, r.ahead)
	more, err := io.ReadFull(r.in, chunk[n:])
	n += more
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.done = true
	case err != nil:
		return fmt.Errorf("read a sealed text: %w", err)
	default:
		n--
		r.ahead = chunk[n:]
	}
	if r.plain, err = r.aead.Open(nil, r.next(r.done), chunk[:n], r.associated); err != nil {
		return ErrDamaged
	}
	return nil
}
