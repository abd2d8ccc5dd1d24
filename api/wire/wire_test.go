package wire

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func message() Down {
	return Down{
		Full: true, Revision: 7, Removed: []string{"gone"},
		Tasks: []Assignment{{Task: api.Task{Meta: api.Meta{ID: "t", Created: time.Unix(1, 2).UTC()}, Service: "s", Revision: 3}, ServiceName: "web"}},
		Specs: map[string]api.ServiceSpec{"s.3": {Name: "web", Container: api.ContainerSpec{Image: "web:1", Env: []string{"A=b"}}}},
		Files: map[string][]byte{"f.1": {0, 1, 2}},
	}
}

func TestMessagesComeThroughAsTheyWereSent(t *testing.T) {
	var pipe bytes.Buffer
	down := message()
	up := Up{Statuses: []api.TaskStatus{{Node: "n", State: api.TaskRunning, Addresses: map[string]netip.Addr{"net": netip.MustParseAddr("10.0.0.1")}}}}
	require.NoError(t, Write(&pipe, down))
	require.NoError(t, Write(&pipe, up))
	slow := iotest.OneByteReader(&pipe)
	var gotDown Down
	require.NoError(t, Read(slow, &gotDown))
	require.Equal(t, down, gotDown)
	var gotUp Up
	require.NoError(t, Read(slow, &gotUp))
	require.Equal(t, up, gotUp)
	require.Equal(t, io.EOF, Read(slow, &gotUp), "an end between two messages")
}

func TestWhatIsCutShortOrTooLargeIsAnError(t *testing.T) {
	var pipe bytes.Buffer
	require.NoError(t, Write(&pipe, message()))
	whole := pipe.Bytes()
	var down Down
	for _, cut := range []int{1, 3, 4, 5, len(whole) - 1} {
		require.ErrorIs(t, Read(bytes.NewReader(whole[:cut]), &down), io.ErrUnexpectedEOF, "%d bytes", cut)
	}
	require.ErrorContains(t, Read(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff}), &down), "more than")
	require.Error(t, Write(io.Discard, Down{Files: map[string][]byte{"f": make([]byte, MaxMessage+1)}}))
	require.Error(t, WriteFrame(io.Discard, Data, make([]byte, MaxFrame+1)))
	_, _, err := ReadFrame(bytes.NewReader([]byte{byte(Data), 0xff, 0, 0, 0}))
	require.ErrorContains(t, err, "more than")
	_, _, err = ReadFrame(bytes.NewReader([]byte{byte(Data), 0, 0, 0, 3, 1}))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestFramesCarryErrors(t *testing.T) {
	var pipe bytes.Buffer
	require.NoError(t, WriteError(&pipe, api.NotFoundf("no such container")))
	channel, payload, err := ReadFrame(&pipe)
	require.NoError(t, err)
	require.Equal(t, Error, channel)
	var told api.Error
	require.NoError(t, Unmarshal(payload, &told))
	require.Equal(t, api.Error{Code: api.CodeNotFound, Message: "no such container"}, told)
}

// FuzzRead shows that no bytes from the network break the reader, and that what is
// read can be sent on.
func FuzzRead(f *testing.F) {
	var pipe bytes.Buffer
	require.NoError(f, Write(&pipe, message()))
	f.Add(pipe.Bytes())
	f.Add([]byte{0, 0, 0, 1, 0xf6})
	f.Fuzz(func(t *testing.T, data []byte) {
		var up Up
		if Read(bytes.NewReader(data), &up) == nil {
			require.NoError(t, Write(io.Discard, up))
		}
		var down Down
		if Read(bytes.NewReader(data), &down) == nil {
			require.NoError(t, Write(io.Discard, down))
		}
		if channel, payload, err := ReadFrame(bytes.NewReader(data)); err == nil {
			require.NoError(t, WriteFrame(io.Discard, channel, payload))
		}
	})
}

func TestBytesThatAreNoTextComeThrough(t *testing.T) {
	data, err := Marshal(api.LogLine{Text: "\xff\xfe binary"})
	require.NoError(t, err)
	var line api.LogLine
	require.NoError(t, Unmarshal(data, &line))
	require.Equal(t, "\xff\xfe binary", line.Text)

	var message bytes.Buffer
	require.NoError(t, Write(&message, Up{Hello: &Hello{Session: "\xff"}}))
	require.Error(t, Read(&message, &Up{}), "messages are stored")
}

func TestAHeartbeatIsAnEmptyMessage(t *testing.T) {
	var written, beat bytes.Buffer
	require.NoError(t, Write(&written, &Down{}))
	require.NoError(t, Beat(&beat))
	require.Equal(t, written.Bytes(), beat.Bytes())
	var up Up
	require.NoError(t, Read(&beat, &up))
	require.Zero(t, up)
	require.Error(t, Read(bytes.NewReader([]byte{0, 0, 0, 1, 0x01}), &up), "a number is no message")
}
