package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// report writes all that is known of a failed round into a directory of its own.
func (n *round) report(failure error) (string, error) {
	dir, err := os.MkdirTemp(n.config.Report, fmt.Sprintf("orc-chaos-seed%d-round%d-", n.config.Seed, n.number))
	if err != nil {
		return "", err
	}
	history, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return dir, err
	}
	_, err = n.history.WriteTo(history)
	faults := struct {
		Seed     uint64
		Round    int
		Schedule []Event
		Done     []Deed
	}{n.config.Seed, n.number, n.schedule, n.nemesis.deeds}
	errs := []error{err, history.Close(), writeJSON(filepath.Join(dir, "faults.json"), faults)}
	if tasks := n.eyes.last(); tasks != nil {
		errs = append(errs, writeJSON(filepath.Join(dir, "tasks.json"), tasks))
	}
	// The page is made for every failure: it shows what clients saw at that time.
	text := failure.Error()
	if err := Linearizable(n.history.Operations(), filepath.Join(dir, "history.html")); err != nil && !strings.Contains(text, err.Error()) {
		text += "\n" + err.Error()
	}
	errs = append(errs, os.WriteFile(filepath.Join(dir, "failure.txt"), []byte(text+"\n"), 0o600), n.cluster.copyLogs(dir))
	return dir, errors.Join(errs...)
}

func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

// guide says how to go on from a failure.
func guide(dir string, config Config, round int) string {
	return fmt.Sprintf(`
    %[1]s/failure.txt     what was broken
    %[1]s/faults.json     what was planned and done to whom, and when
    %[1]s/history.jsonl   every request, in the order of calls; history.html draws it, if it has no order
    %[1]s/tasks.json      the tasks at the last look
    %[1]s/n*.log          what the nodes said

The same round again:  make chaos SEED=%[2]d ROUND=%[3]d
`, dir, config.Seed, round)
}
