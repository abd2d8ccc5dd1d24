package node

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// ready, stopping and notify tell systemd how the process is (sd_notify(3)). They
// do nothing elsewhere.
func ready(log *zap.Logger)    { tellSystemd(log, daemon.SdNotifyReady) }
func stopping(log *zap.Logger) { tellSystemd(log, daemon.SdNotifyStopping) }

// notify keeps systemd's watchdog quiet, if there is one, until ctx ends or the
// returned function is called, which waits.
func notify(ctx context.Context, log *zap.Logger) (stop func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog's setting cannot be read", zap.Error(err))
	}
	if err != nil || interval == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // shutting down is living too
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval / 3)
		defer ticker.Stop()
		for {
			tellSystemd(log, daemon.SdNotifyWatchdog)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func tellSystemd(log *zap.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd cannot be told", zap.String("state", state), zap.Error(err))
	}
}
