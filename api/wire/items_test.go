package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
)

func TestItemsAreCounted(t *testing.T) {
	for _, test := range []struct {
		value any
		want  int
	}{
		{nil, 1}, {7, 1}, {-70000, 1}, {"text", 1}, {make([]byte, 300), 1}, {1.5, 1},
		{[]int{1, 2, 1000}, 4}, {map[string]any{"a": []any{"b", nil}, "c": uint64(1 << 40)}, 7},
	} {
		data, err := Marshal(test.value)
		require.NoError(t, err)
		require.Equal(t, test.want, items(data), "%v", test.value)
	}
	require.Equal(t, 4, items([]byte{0x9f, 0x01, 0x02, 0xff}), "an indefinite length: its end is one too")
}

func TestAnUpIsBounded(t *testing.T) {
	send := func(body []byte) error {
		return Read(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)), &Up{})
	}
	data, err := Marshal(Up{Statuses: make([]api.TaskStatus, 1000)})
	require.NoError(t, err)
	require.NoError(t, send(data))

	// Empty statuses take a byte each, and a hundred times that once decoded.
	bomb, err := Marshal(map[int]any{2: make([]struct{}, maxUpItems)})
	require.NoError(t, err)
	require.Less(t, len(bomb), 300<<10)
	require.ErrorContains(t, send(bomb), "parts")
	require.ErrorContains(t, send(make([]byte, MaxUp+1)), "more than")
}

func TestAHelloIsBounded(t *testing.T) {
	send := func(body []byte) error {
		return ReadHello(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)), &Up{})
	}
	data, err := Marshal(Up{Hello: &Hello{Info: api.NodeInfo{Volumes: make([]string, 1000)}}, Statuses: make([]api.TaskStatus, 200)})
	require.NoError(t, err)
	require.NoError(t, send(data))
	bomb, err := Marshal(map[int]any{2: make([]struct{}, maxHelloItems)})
	require.NoError(t, err)
	require.ErrorContains(t, send(bomb), "parts")
	require.ErrorContains(t, send(make([]byte, MaxHello+1)), "more than")
}

func TestAnAnswerIsBounded(t *testing.T) {
	images := make([]LoadedImage, 5000)
	for i := range images {
		images[i] = LoadedImage{
			Name: fmt.Sprintf("docker.io/library/web:%d", i), Digest: "sha256:" + fmt.Sprintf("%064d", i), Size: 1 << 30, Created: time.Unix(int64(i), 0).UTC(),
			Config: api.ImageConfig{Platforms: []api.Platform{{OS: "linux", Arch: "amd64"}}, ExposedPorts: []string{"80/tcp"}},
		}
	}
	data, err := Marshal(images)
	require.NoError(t, err)
	require.Greater(t, len(data), MaxFrame/2)
	var answer []LoadedImage
	require.NoError(t, UnmarshalAnswer(data, &answer))
	require.Len(t, answer, len(images))
	bomb, err := Marshal(make([]struct{}, maxAnswerItems))
	require.NoError(t, err)
	require.Less(t, len(bomb), MaxFrame)
	require.ErrorContains(t, UnmarshalAnswer(bomb, &answer), "parts")
}

// FuzzAnswer shows that no answer of a node breaks the manager, or costs it much more
// than it is long.
func FuzzAnswer(f *testing.F) {
	for _, each := range []any{
		[]LoadedImage{{Name: "web:1", Created: time.Unix(1, 0).UTC()}}, DiskUsage{}, Pruned{}, []api.ContainerStats{{Task: "t"}},
		api.LogLine{Text: "\xff"}, api.NotFoundf("nothing"),
	} {
		data, err := Marshal(each)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var images []LoadedImage
		for _, each := range []any{&images, &DiskUsage{}, &Pruned{}, &[]api.ContainerStats{}, &api.LogLine{}, &api.Error{}} {
			if UnmarshalAnswer(data, each) == nil {
				require.LessOrEqual(t, items(data), maxAnswerItems)
				_, err := Marshal(each)
				require.NoError(t, err)
			}
		}
		require.LessOrEqual(t, len(images), maxAnswerItems)
	})
}

// FuzzItems shows that no well-formed value is counted for less than what it has.
func FuzzItems(f *testing.F) {
	data, err := Marshal(message())
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte{0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x9f, 0x7f, 0x61, 0x61, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		count := items(data)
		require.LessOrEqual(t, count, len(data))
		var value any
		if rest, err := cbor.UnmarshalFirst(data, &value); err == nil && len(rest) == 0 {
			require.GreaterOrEqual(t, count, parts(value))
		}
	})
}

// parts are the items in a decoded value, at least.
func parts(value any) int {
	count := 1
	switch v := value.(type) {
	case []any:
		for _, each := range v {
			count += parts(each)
		}
	case map[any]any:
		for key, each := range v {
			count += parts(key) + parts(each)
		}
	}
	return count
}
