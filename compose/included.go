package compose

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/sirupsen/logrus"
)

// included sees the files that include: and extends: name, so that they are
// checked as the main files are. It takes none itself.
type included struct {
	dir    string
	report *report
}

// Accept implements loader.ResourceLoader.
func (i *included) Accept(path string) bool {
	for _, candidate := range []string{path, filepath.Join(i.dir, path)} {
		if filepath.IsAbs(candidate) {
			i.see(path, candidate)
		}
	}
	return false
}

func (i *included) see(shown, path string) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return // the library tells what is missing
	}
	content, err := readFile(path, MaxFileSize)
	if err != nil {
		return
	}
	if relative, err := filepath.Rel(i.dir, path); err == nil {
		shown = relative
	}
	i.report.checkOnce(source{shown: shown, path: path, content: content})
}

// Load implements loader.ResourceLoader; it is never asked, as Accept takes nothing.
func (i *included) Load(_ context.Context, path string) (string, error) { return path, nil }

// Dir implements loader.ResourceLoader.
func (i *included) Dir(path string) string { return filepath.Dir(path) }

var logLock sync.Mutex

// captureLog makes warnings of what the library logs, till restore is called.
// The library has no other way to tell of a variable that is not set.
func captureLog(r *report) (restore func()) {
	logLock.Lock()
	logger := logrus.StandardLogger()
	out := logger.Out
	hooks := logger.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: []logrus.Hook{hook{r}}})
	logger.SetOutput(discard{})
	return func() {
		logger.ReplaceHooks(hooks)
		logger.SetOutput(out)
		logLock.Unlock()
	}
}

type hook struct{ report *report }

// Levels implements logrus.Hook.
func (hook) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

// Fire implements logrus.Hook.
func (h hook) Fire(entry *logrus.Entry) error {
	h.report.warnings = append(h.report.warnings, Warning{Message: entry.Message})
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
