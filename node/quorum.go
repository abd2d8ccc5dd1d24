package node

import (
	"errors"
	"os"
	"time"

	"go.uber.org/zap"
)

// quorumMark is how often it is written that this manager has a quorum.
const quorumMark = time.Minute

// noteQuorum says whether this manager has a quorum now, and notes it: by the time since
// then a cluster that was forced to go on without it tells whether it was lost.
func (n *process) noteQuorum() bool {
	if n.database.member.Leader() == 0 {
		return false
	}
	n.mu.Lock()
	n.quorate = time.Now()
	due := n.marked.IsZero() || n.quorate.Sub(n.marked) >= quorumMark
	n.mu.Unlock()
	if due {
		n.markQuorum()
	}
	return true
}

// markQuorum writes when this manager had a quorum last, for the next start: it is when
// the file "quorum" in the data directory was changed. After a crash that may be
// quorumMark too early.
func (n *process) markQuorum() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.quorate.IsZero() {
		return
	}
	n.marked = n.quorate
	if err := touch(n.dir.file("quorum"), n.quorate); err != nil {
		n.log.Warn("when this manager had a quorum last cannot be kept for the next start", zap.Error(err))
	}
}

// apart is for how long this manager has had no quorum; negative when it does not know.
func (n *process) apart() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.quorate.IsZero() {
		return time.Since(n.quorate)
	}
	file, err := os.Stat(n.dir.file("quorum"))
	if err != nil {
		return -1
	}
	return time.Since(file.ModTime())
}

// touch makes a file one that was changed at a time, an empty one if there is none.
func touch(path string, at time.Time) error {
	err := os.Chtimes(path, at, at)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.WriteFile(path, nil, 0o600); err == nil {
			err = os.Chtimes(path, at, at)
		}
	}
	return err
}
