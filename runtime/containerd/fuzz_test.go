package containerd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
)

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","architecture":"amd64","config":{"Cmd":["a"],"Healthcheck":{"Test":["CMD","x"],"Interval":1000000000}},"rootfs":{"diff_ids":["sha256:` + strings.Repeat("a", 64) + `"]}}`))
	f.Add([]byte(`{"rootfs":{"diff_ids":["../../x"]}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := parseConfig(data)
		if err != nil {
			require.Nil(t, info)
			return
		}
		require.NoError(t, digest.Digest(info.chain).Validate())
	})
}

func FuzzParseAuth(f *testing.F) {
	f.Add(auth("ada", "secret"))
	f.Add("e30=")
	f.Add("%%%")
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := parseAuth(text)
		if err != nil && len(text) > 20 {
			require.NotContains(t, err.Error(), text, "an error must not show a login")
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (a) b) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 9 1")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) { parseStat(text) })
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("oom_kill 1\nusage_usec 12\n"))
	f.Add([]byte("8:0 rbytes=1 wbytes=2\n8:0 Read 1\n8:0 Write 3\nTotal 4\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsePairs(data)
		parseBlocks(data)
	})
}

func FuzzReadMeta(f *testing.F) {
	f.Add([]byte(`{"Task":{"Task":"x"},"Health":{"test":["NONE"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMeta(containers.Container{ID: "x", Extensions: map[string]typeurl.Any{metaKey: &anypb.Any{Value: data}}})
		if err != nil {
			return
		}
		again, err := m.any()
		require.NoError(t, err)
		require.True(t, json.Valid(again.GetValue()))
	})
}

func FuzzParseUsers(f *testing.F) {
	f.Add("web", "root:x:0:0::/:\nweb:x:1:2::/:", "logs:x:3:web")
	f.Add("1:logs", "", "logs:x:3:web")
	f.Fuzz(func(t *testing.T, who, passwd, group string) {
		(&users{[]byte(passwd), []byte(group)}).resolve(who, []string{"logs"})
	})
}

func FuzzVolumeOptions(f *testing.F) {
	f.Add("nfs", "addr=server,rw", ":/x")
	f.Fuzz(func(t *testing.T, kind, options, device string) {
		parseVolumeOptions(map[string]string{"type": kind, "o": options, "device": device}, func(string) ([]string, error) { return nil, nil })
	})
}
