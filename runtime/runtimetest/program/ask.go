package program

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// ask answers questions about the container from inside; a real one's only.
func ask(p *Process, question string, args []string) int {
	var err error
	switch question {
	case "eat":
		eat()
	case "id":
		groups, _ := os.Getgroups()
		dir, _ := os.Getwd()
		host, _ := os.Hostname()
		_, err = fmt.Fprintf(p.Stdout, "uid=%d gid=%d groups=%v dir=%s host=%s pid=%d\n",
			os.Getuid(), os.Getgid(), groups, dir, host, os.Getpid())
	case "read":
		for _, path := range args {
			var data []byte
			if data, err = os.ReadFile(path); err != nil {
				break
			}
			p.Stdout.Write(data)
		}
	case "write":
		err = os.WriteFile(args[0], []byte(strings.Join(args[1:], " ")), 0o644)
	case "stat":
		var info syscall.Stat_t
		if err = syscall.Stat(args[0], &info); err == nil {
			fmt.Fprintf(p.Stdout, "mode=%o uid=%d gid=%d size=%d dev=%d rdev=%d\n", info.Mode, info.Uid, info.Gid, info.Size, info.Dev, info.Rdev)
		}
	case "ls":
		var entries []os.DirEntry
		entries, err = os.ReadDir(args[0])
		for _, entry := range entries {
			fmt.Fprintln(p.Stdout, entry.Name())
		}
	case "limit":
		var limit syscall.Rlimit
		if err = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
			fmt.Fprintf(p.Stdout, "nofile=%d:%d\n", limit.Cur, limit.Max)
		}
	case "orphan":
		// A child whose parent ends first is the init's to reap.
		err = exec.Command("/app", "orphan-parent").Run()
		if err == nil {
			return run(p)
		}
	case "orphan-parent":
		err = exec.Command("/app", "exit", "0").Start()
	default:
		err = fmt.Errorf("%s: no such thing to do", question)
	}
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	return 0
}

// eat takes memory until somebody objects.
func eat() {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
		if len(all) > 4096 {
			return // nobody did, and 4 GiB prove it
		}
	}
}
