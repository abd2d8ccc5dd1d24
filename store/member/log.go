package member

import (
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet lowers what etcd says: what it informs of is for debugging, it warns of
// what it gets over by itself, and while it stops it calls everything an error
// that was interrupted. What ends the process stays loud.
type quiet struct {
	zapcore.Core
	stopping, removed *atomic.Bool
}

// lower sets removed when etcd says so: its log is the only place where it does.
func lower(logger *zap.Logger, stopping, removed *atomic.Bool) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return &quiet{Core: core, stopping: stopping, removed: removed}
	}), zap.WithCaller(false), zap.AddStacktrace(zapcore.FatalLevel), zap.WithFatalHook(fatal{}))
}

// harmless are beginnings of errors that are none: a member that begins says so
// before it has anything to store.
var harmless = []string{"failed to update storage version"}

// removal is what a member says last that the others have removed.
const removal = "data-dir used by this member must be removed"

// loud are beginnings of warnings that an operator can do something about.
var loud = []string{"slow fdatasync", "leader failed to send out heartbeat", "prober found high clock drift", "all backend is exceeded"}

func (q *quiet) level(entry zapcore.Entry) zapcore.Level {
	switch {
	case entry.Level > zapcore.ErrorLevel:
		return entry.Level
	case q.stopping.Load() || entry.Level < zapcore.WarnLevel:
		return zapcore.DebugLevel
	case entry.Level == zapcore.ErrorLevel && !begins(entry.Message, harmless), begins(entry.Message, loud):
		return zapcore.WarnLevel
	}
	return zapcore.DebugLevel
}

func begins(message string, with []string) bool {
	return slices.ContainsFunc(with, func(each string) bool { return strings.HasPrefix(message, each) })
}

// Enabled cannot know the message: whatever might come through is enabled.
func (q *quiet) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel || q.Core.Enabled(zapcore.DebugLevel)
}

func (q *quiet) With(fields []zapcore.Field) zapcore.Core {
	return &quiet{Core: q.Core.With(fields), stopping: q.stopping, removed: q.removed}
}

func (q *quiet) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.Message == removal {
		q.removed.Store(true)
	}
	if entry.Level = q.level(entry); !q.Core.Enabled(entry.Level) {
		return checked
	}
	return q.Core.Check(entry, checked)
}
