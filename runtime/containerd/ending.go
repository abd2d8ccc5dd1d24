package containerd

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// What containerd forgets is kept in the container's directory: that it was
// started, and how it ended. containerd's memory of an ended task does not survive
// a restart of the daemon, and nothing of a task survives that of the host.
const (
	startedFile = "started" // its time is that of the start
	endFile     = "end.json"
)

// ending is how a container ended.
type ending struct {
	Code int
	Time time.Time
	OOM  bool
}

func (r *Runtime) markStarted(id string) error {
	if err := os.MkdirAll(r.layout.state(id), 0o711); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.layout.state(id), startedFile), nil, 0o600)
}

func (r *Runtime) unmarkStarted(id string) error {
	return os.Remove(filepath.Join(r.layout.state(id), startedFile))
}

// started tells when a container was started; the zero time if it never was.
func (r *Runtime) started(id string) time.Time {
	info, err := os.Stat(filepath.Join(r.layout.state(id), startedFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// remember writes down how a container ended, the first time that it is told, and
// returns what is written down.
func (r *Runtime) remember(id string, code int, at time.Time) ending {
	if end, known := r.readEnd(id); known {
		return end
	}
	end := ending{Code: code, Time: at, OOM: code != 0 && (cgroup{r.host.unified, id}).killedForMemory()}
	if r.started(id).IsZero() { // removed meanwhile: leave nothing behind
		return end
	}
	data, err := json.Marshal(end)
	if err == nil {
		err = replaceFile(filepath.Join(r.layout.state(id), endFile), data)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.log.Warn("a container's end is not written down", zap.String("container", id), zap.Error(err))
	}
	return end
}

// recall reads how a container ended of which containerd knows no more: -1 if
// nobody saw it.
func (r *Runtime) recall(id string) ending {
	end, known := r.readEnd(id)
	if !known {
		end.Code = -1
	}
	return end
}

func (r *Runtime) readEnd(id string) (end ending, known bool) {
	data, err := os.ReadFile(filepath.Join(r.layout.state(id), endFile))
	if err != nil || json.Unmarshal(data, &end) != nil {
		return ending{}, false
	}
	return end, true
}

// replaceFile writes a file so that a reader sees the old one or the new one.
func replaceFile(path string, data []byte) error {
	temporary := path + ".new-" + randomName()
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}
