package api

import (
	"slices"
	"strconv"
	"strings"
)

// signalNames are Linux's signals in the order of their numbers (signal(7)).
var signalNames = []string{"", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
	"TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"}

// SignalNumber reads "SIGTERM", "term", "15" or "RTMIN+3".
func SignalNumber(text string) (int, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= 64 {
		return n, nil
	}
	if n := slices.Index(signalNames, name); n > 0 {
		return n, nil
	}
	for base, from := range map[string]int{"RTMIN": 34, "RTMAX": 64} {
		if rest, ok := strings.CutPrefix(name, base); ok {
			offset := 0
			if rest != "" {
				var err error
				if offset, err = strconv.Atoi(rest); err != nil {
					break
				}
			}
			if n := from + offset; n >= 34 && n <= 64 {
				return n, nil
			}
		}
	}
	return 0, Invalidf("signal %q: want a name such as SIGTERM or a number from 1 to 64", text)
}

func validSignal(text string) bool {
	_, err := SignalNumber(text)
	return err == nil
}
