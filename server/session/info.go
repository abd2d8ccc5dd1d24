package session

import (
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// What a node says of itself is stored with every change of it, and every manager has it
// in memory.
const (
	// maxInfo is how large it is at most, encoded, in bytes: some thousand volumes' names.
	maxInfo = 64 << 10
	// maxInfoText bounds each of its short texts, maxInfoKeys each of its maps.
	maxInfoText = 256
	maxInfoKeys = 64
	// infoPause is from one change that is stored to the next.
	infoPause = time.Second
)

// bounded is what is stored of what a node says of itself. What is too much is left out,
// of volumes and of routes the last, and the first time it is told of.
func (s *session) bounded(info api.NodeInfo) api.NodeInfo {
	for _, text := range []*string{&info.Hostname, &info.Kernel, &info.OS, &info.Version, &info.Platform.OS, &info.Platform.Arch, &info.Trust.Issuer} {
		*text = cut(*text, maxInfoText)
	}
	info.Address = info.Address.WithZone("") // which is as long as it likes, and nobody else's
	over := false
	if len(info.Engine) > maxInfoKeys || len(info.Capacity.Generic) > maxInfoKeys || len(info.Trust.Roots)+len(info.Trust.Database) > maxInfoKeys {
		info.Engine, info.Capacity.Generic, info.Trust, over = nil, nil, api.Trust{}, true
	}
	for !fits(info) {
		over = true
		switch {
		case len(info.Subnets) > maxInfoKeys:
			info.Subnets = info.Subnets[:len(info.Subnets)/2]
			continue
		case len(info.Volumes) > 1:
			info.Volumes = info.Volumes[:len(info.Volumes)/2]
			continue
		}
		// Long texts where there should be short ones.
		info.Engine, info.Capacity.Generic, info.Trust, info.Volumes = nil, nil, api.Trust{}, nil
		break
	}
	if over && !s.verbose.Swap(true) {
		s.log.Warn("the node has more to say of itself than is kept: not all of its volumes and routes are known",
			zap.Int("volumes", len(info.Volumes)), zap.Int("routes", len(info.Subnets)))
	}
	return info
}

func fits(info api.NodeInfo) bool {
	data, err := wire.Marshal(info)
	return err == nil && len(data) <= maxInfo
}

// inform stores what the node says of itself, the newest once in infoPause.
func (s *session) inform(info api.NodeInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := s.info != nil
	s.info = &info
	if !waits {
		time.AfterFunc(infoPause-time.Since(s.informed), s.announce) // at once, if that is over
	}
}

func (s *session) announce() {
	s.mu.Lock()
	info := *s.info
	s.info, s.informed = nil, time.Now()
	s.mu.Unlock()
	s.scribe.writeNode(s.node, informed(s, info), nil)
}

// measured counts the bytes that are read.
type measured struct {
	io.Reader
	read int
}

// Read implements io.Reader.
func (m *measured) Read(data []byte) (int, error) {
	n, err := m.Reader.Read(data)
	m.read += n
	return n, err
}

// take returns how many bytes were read since the last call.
func (m *measured) take() int {
	n := m.read
	m.read = 0
	return n
}
