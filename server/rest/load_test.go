package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store"
)

var clockDigest = digest.FromString("clock").String()

// library is nodes that take archives; it keeps what each got in full.
type library struct {
	mu  sync.Mutex
	got map[string][]byte
}

func (l *library) serve(node string, open wire.Open, stream net.Conn) {
	if open.Load == nil {
		(&disks{asked: make(map[string]*wire.PruneRequest)}).serve(node, open, stream)
		return
	}
	var archive bytes.Buffer
	for {
		channel, payload, err := wire.ReadFrame(stream)
		if err != nil {
			return
		}
		if channel == wire.Data {
			archive.Write(payload)
			continue
		}
		break
	}
	l.mu.Lock()
	l.got[node] = archive.Bytes()
	l.mu.Unlock()
	_ = send(stream, []wire.LoadedImage{{Name: "docker.io/library/clock:1.0", Digest: clockDigest, Size: 7}})
}

func TestAnImageIsLoadedOntoEveryNodeAndNeedsNoRegistryThen(t *testing.T) {
	m := newManager(t)
	l := &library{got: make(map[string][]byte)}
	m.nodes.answer(l.serve)
	archive := bytes.Repeat([]byte("0123456789abcdef"), 3*pieceSize/16+5)
	progress := collect(t, m.client.LoadImages(m.ctx, bytes.NewReader(archive), int64(len(archive))))
	last := progress[len(progress)-1]
	require.Equal(t, api.LoadDone, last.State)
	require.Equal(t, "loaded on 2 of 2 nodes", last.Message)
	require.Equal(t, "docker.io/library/clock:1.0", last.Images[0].Name)
	require.Equal(t, archive, l.got["n1id"])
	require.Equal(t, archive, l.got["n2id"])

	answer, err := m.client.CreateService(m.ctx, api.ServiceCreate{Spec: api.ServiceSpec{Container: api.ContainerSpec{Image: "clock:1.0"}}})
	require.NoError(t, err)
	require.Equal(t, clockDigest, answer.Service.Spec.Container.Digest)
	require.Contains(t, answer.Service.Name, "clock-", "a name was made of the image's")
	images, err := m.client.Images(m.ctx, "")
	require.NoError(t, err)
	require.Len(t, images.Items, 1)
	_, err = m.client.RemoveImage(m.ctx, "clock:1.0", false)
	requireCode(t, api.CodeConflict, err, "in use by clock-")
	_, err = m.client.RemoveImage(m.ctx, "clock:1.0", true)
	require.NoError(t, err)
}

func TestANodeThatCannotLoadDoesNotHinderTheOthers(t *testing.T) {
	m := newManager(t)
	l := &library{got: make(map[string][]byte)}
	m.nodes.answer(func(node string, open wire.Open, stream net.Conn) {
		if node == "n2id" {
			_ = wire.WriteError(stream, api.Errorf(api.CodeUnavailable, "the disk is full"))
			return
		}
		l.serve(node, open, stream)
	})
	archive := bytes.Repeat([]byte("x"), 40*pieceSize)
	progress := collect(t, m.client.LoadImages(m.ctx, bytes.NewReader(archive), 0))
	require.Equal(t, "loaded on 1 of 2 nodes", progress[len(progress)-1].Message)
	var failed []string
	for _, line := range progress {
		if line.State == api.LoadFailed {
			failed = append(failed, line.NodeName+": "+line.Message)
		}
	}
	require.Len(t, failed, 1)
	require.Contains(t, failed[0], "n2: ")
	require.Equal(t, archive, l.got["n1id"])
}

func TestAWrongArchiveIsRefused(t *testing.T) {
	m := newManager(t)
	m.nodes.answer(func(_ string, _ wire.Open, stream net.Conn) {
		_, _, _ = wire.ReadFrame(stream)
		_ = wire.WriteError(stream, api.Invalidf("this is not an image archive"))
	})
	var last error
	for _, err := range m.client.LoadImages(m.ctx, bytes.NewReader([]byte("hello")), 5) {
		last = err
	}
	requireCode(t, api.CodeInvalid, last, "not an image archive")
}

// broken is a file that cannot be read to its end.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("the disk is broken")
	}
	return n, err
}

func TestAnArchiveThatIsCutShortReachesNoNode(t *testing.T) {
	m := newManager(t)
	l := &library{got: make(map[string][]byte)}
	m.nodes.answer(l.serve)
	// Without a client in between, so that it is over when it returns.
	request := httptest.NewRequestWithContext(ca.WithPeer(m.ctx, ca.Peer{Role: ca.RoleLocal}), http.MethodPost, "/v1/images",
		broken{bytes.NewReader(make([]byte, 3*pieceSize))})
	answer := httptest.NewRecorder()
	m.api.ServeHTTP(answer, request)
	require.Contains(t, answer.Body.String(), "the archive is cut short: the disk is broken")
	m.nodes.wait()
	require.Empty(t, l.got)
	images, err := m.client.Images(m.ctx, "")
	require.NoError(t, err)
	require.Empty(t, images.Items)
}

func TestLoadingNeedsANodeThatIsReady(t *testing.T) {
	m := newManager(t)
	for _, id := range []string{"n1id", "n2id"} {
		m.put(&api.NodeStatus{Meta: api.Meta{ID: id}, State: api.NodeDown})
	}
	for _, err := range m.client.LoadImages(m.ctx, bytes.NewReader([]byte("x")), 1) {
		requireCode(t, api.CodeUnavailable, err, "no node is ready")
	}
}

// TestNothingIsEndedWellAfterItWasCutShort plays the moment in which a load is
// given up: a node must never see a good end.
func TestNothingIsEndedWellAfterItWasCutShort(t *testing.T) {
	m := newManager(t)
	l := &library{got: make(map[string][]byte)}
	m.nodes.answer(l.serve)
	for range 200 {
		ctx, cancel := context.WithCancel(m.ctx)
		cancel()
		n := newReceiver(&api.Node{Meta: api.Meta{ID: "n2id"}})
		close(n.pieces)
		require.Error(t, n.exchange(ctx, &load{api: m.api}))
	}
	m.nodes.wait()
	require.Empty(t, l.got)
}

// TestNoNodeAloneSaysWhatANameStandsFor has one of two nodes lie about an archive.
func TestNoNodeAloneSaysWhatANameStandsFor(t *testing.T) {
	image := func(name, content string) wire.LoadedImage {
		return wire.LoadedImage{Name: name, Digest: digest.FromString(content).String(), Size: 7}
	}
	honest := []wire.LoadedImage{image("clock:1.0", "clock"), image("clock:latest", "clock")}
	for name, c := range map[string]struct {
		lie  []wire.LoadedImage
		want []string // names that are recorded
		says string
	}{
		"the same, in another order": {[]wire.LoadedImage{honest[1], honest[0]}, []string{"clock:1.0", "clock:latest"}, ""},
		"a name more":                {append(slices.Clone(honest), image("nginx:latest", "old")), []string{"clock:1.0", "clock:latest"}, "image docker.io/library/nginx:latest is sha256:"},
		"another digest":             {[]wire.LoadedImage{honest[0], image("clock:latest", "old")}, []string{"clock:1.0"}, "image docker.io/library/clock:latest is sha256:"},
		"both digests":               {append(slices.Clone(honest), image("clock:latest", "old")), []string{"clock:1.0"}, "clock:latest"},
		"nothing":                    {nil, nil, "by n"},
		"no digest":                  {[]wire.LoadedImage{honest[0], {Name: "clock:latest", Digest: "sha256:c10c"}}, nil, "is no digest"},
		"no name":                    {append(slices.Clone(honest), image("\xff", "old")), nil, "answers what is no image"},
		"a port that is no text": {[]wire.LoadedImage{honest[0], {
			Name: "clock:latest", Digest: honest[1].Digest, Config: api.ImageConfig{ExposedPorts: []string{"\xff"}},
		}}, nil, "a port or a platform"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			m.nodes.answer(func(node string, open wire.Open, stream net.Conn) {
				for channel := wire.Data; channel == wire.Data; {
					var err error
					if channel, _, err = wire.ReadFrame(stream); err != nil {
						return
					}
				}
				if node == "n1id" {
					_ = send(stream, c.lie)
				} else {
					_ = send(stream, honest)
				}
			})
			var last error
			for _, err := range m.client.LoadImages(m.ctx, bytes.NewReader([]byte("archive")), 7) {
				last = err
			}
			if c.says == "" {
				require.NoError(t, last)
			} else {
				requireCode(t, api.CodeConflict, last, c.says)
			}
			var names []string
			for image := range store.All[api.Image](m.store.Snapshot()) {
				require.Equal(t, clockDigest, image.Digest)
				names = append(names, strings.TrimPrefix(image.Name, "docker.io/library/"))
			}
			slices.Sort(names)
			require.Equal(t, c.want, names)
		})
	}
}
