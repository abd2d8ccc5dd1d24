// Command orc-chaos runs the fault suite by hand: `make chaos`.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/orc-project/orc/lab/chaos"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "orc-chaos:", err)
		os.Exit(1)
	}
}

func run() error {
	config := chaos.Default()
	config.Out = os.Stdout
	round := flag.Int("round", -1, "do only the round of this `number`")
	faults := flag.String("faults", "", "only these faults, separated by commas")
	flag.StringVar(&config.Binary, "binary", config.Binary, "the orc to try, a `file`")
	flag.StringVar(&config.Images, "images", config.Images, "the `directory` of the demo images")
	flag.IntVar(&config.Managers, "managers", config.Managers, "how many nodes are managers")
	flag.IntVar(&config.Agents, "agents", config.Agents, "how many nodes are workers")
	flag.IntVar(&config.Most, "most", config.Most, "how many faults a round has at most (0: as many as there are managers)")
	flag.DurationVar(&config.Duration, "duration", config.Duration, "how long to begin rounds")
	flag.Uint64Var(&config.Seed, "seed", uint64(time.Now().Unix()), "what decides the faults")
	flag.DurationVar(&config.Converge, "converge", config.Converge, "how long after the last fault the cluster may take to be as it should be")
	flag.StringVar(&config.Report, "report", config.Report, "the `directory` for what is known of failures")
	flag.BoolVar(&config.Keep, "keep", false, "leave the lab of a failed run as it is")
	flag.Func("subnet", "the nodes' addresses, an IPv4 /24 (default: a free one)", func(text string) (err error) {
		config.Subnet, err = netip.ParsePrefix(text)
		return err
	})
	flag.Parse()
	if *faults != "" {
		config.Faults = strings.Split(*faults, ",")
	}
	if *round >= 0 {
		config.First, config.Rounds = *round, 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, err := chaos.Run(ctx, config)
	return err
}
