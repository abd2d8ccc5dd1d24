package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/spec"
	"github.com/orc-project/orc/limit"
	"github.com/orc-project/orc/node"
)

// nodeFlags are the settings of a node's process. Each has one name as a flag, as
// an ORC_ variable and in the configuration file, and they rank in this order.
func nodeFlags(role api.Role) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringSliceFlag{Name: "join", Usage: "enter the cluster of the manager at this `ADDRESS`, as 10.0.0.1:6720"},
		&cli.StringFlag{Name: "token", Usage: "the `TOKEN` that lets it in, from `orc token`"},
		&cli.StringFlag{Name: "data-dir", Value: node.DefaultDataDir, Usage: "`DIRECTORY` of everything that the node keeps"},
		&cli.StringFlag{Name: "advertise", Usage: "`ADDRESS` that other nodes reach this one at (default: that of the default route, followed when it changes)"},
		&cli.StringFlag{Name: "name", Usage: "the node's `NAME` (default: the host's)"},
		&cli.StringSliceFlag{Name: "label", Usage: "label of the node, `KEY=VALUE`"},
		&cli.StringSliceFlag{Name: "generic-resource", Usage: "what the node has of an operator's own resource, `NAME=NUMBER`, as gpu=2"},
		&cli.StringSliceFlag{Name: "limit", Usage: "what others may cost this node as a manager, `NAME=VALUE`, as strangers=1024; docs/operations.md has the names"},
		&cli.IntFlag{Name: "disk-full", Value: node.DefaultDiskFull, Usage: "remove images that no task needs while more than this `PERCENT` of the disk is taken; 0: never"},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "`LEVEL`: debug, info, warn or error"},
		&cli.StringFlag{Name: "containerd", Usage: "use the containerd at this `ADDRESS` instead of the one in orc"},
	}
	if role == api.RoleManager {
		flags = append(flags,
			&cli.BoolFlag{Name: "bootstrap", Usage: "make a new cluster, with this host as its first manager"},
			&cli.BoolFlag{Name: "autolock", Usage: "with --bootstrap: managers need the unlock key after every start"},
			&cli.BoolFlag{Name: "force-new-cluster", Usage: "go on as the only manager when most managers are lost for good"},
			&cli.StringFlag{Name: "listen", Value: node.DefaultListen, Usage: "`ADDRESS` of the API"},
			&cli.BoolFlag{Name: "no-agent", Usage: "run no containers here"},
			&cli.StringSliceFlag{Name: "default-addr-pool", Usage: "with --bootstrap: networks get their subnets from this `CIDR`; may be given several times", DefaultText: api.DefaultAddressPool},
			&cli.IntFlag{Name: "default-addr-pool-mask-length", Usage: "with --bootstrap: prefix length of those subnets, in `BITS`", DefaultText: strconv.Itoa(api.DefaultSubnetBits)},
			&cli.IntFlag{Name: "data-path-port", Usage: "with --bootstrap: UDP `PORT` that nodes send each other containers' packets on", DefaultText: strconv.Itoa(api.DefaultDataPort)},
		)
	}
	for _, flag := range flags {
		env := []string{variable(flag.Names()[0])}
		switch f := flag.(type) {
		case *cli.StringFlag:
			f.EnvVars = env
		case *cli.StringSliceFlag:
			f.EnvVars = env
		case *cli.BoolFlag:
			f.EnvVars = env
		case *cli.IntFlag:
			f.EnvVars = env
		}
	}
	return sorted(append(flags, &cli.StringFlag{Name: "config", EnvVars: []string{"ORC_CONFIG"}, Usage: "read settings from a YAML `FILE`, by the same names"}))
}

// variable is the name of a setting in the environment: ORC_DATA_DIR.
func variable(name string) string {
	return "ORC_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// nodeConfig reads the settings.
func (p *program) nodeConfig(c *cli.Context, role api.Role) (node.Config, error) {
	config := node.Config{Role: role, Out: p.Out, Private: private(p.Out)}
	if err := readNodeFile(c); err != nil {
		return config, err
	}
	config.Join = list(c.StringSlice("join"))
	config.Token = c.String("token")
	config.DataDir = c.String("data-dir")
	config.Advertise = c.String("advertise")
	config.Name = c.String("name")
	config.LogLevel = c.String("log-level")
	config.Containerd = c.String("containerd")
	config.Bootstrap = c.Bool("bootstrap")
	config.Autolock = c.Bool("autolock")
	config.ForceNewCluster = c.Bool("force-new-cluster")
	config.Listen = c.String("listen")
	config.NoAgent = c.Bool("no-agent")
	config.AddressPools = list(c.StringSlice("default-addr-pool"))
	config.SubnetBits = c.Int("default-addr-pool-mask-length")
	config.DataPort = c.Int("data-path-port")
	config.DiskFull = c.Int("disk-full")
	var err error
	if config.Generic, err = genericResources(list(c.StringSlice("generic-resource"))); err != nil {
		return config, err
	}
	if config.Limits, err = limitsOf(list(c.StringSlice("limit"))); err != nil {
		return config, err
	}
	config.Labels, err = pairsOf("--label", list(c.StringSlice("label")))
	return config, err
}

// limitsOf reads NAME=VALUE; what is not named stays as it is by default.
func limitsOf(texts []string) (limit.Limits, error) {
	if len(texts) == 0 {
		return limit.Limits{}, nil
	}
	limits := limit.Default()
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return limits, api.Invalidf("--limit %q: want NAME=VALUE, as strangers=1024", text)
		}
		if err := limits.Set(name, value); err != nil {
			return limits, api.Invalidf("--limit: %w", err)
		}
	}
	return limits, nil
}

// genericResources reads NAME=NUMBER; a name that comes twice counts once, the last.
func genericResources(texts []string) (map[string]int64, error) {
	var resources map[string]int64
	for _, text := range texts {
		name, amount, err := spec.Generic(text)
		if err != nil {
			return nil, err
		}
		if resources == nil {
			resources = make(map[string]int64)
		}
		resources[name] = amount
	}
	return resources, nil
}

// list takes several values apart that came as one, as a variable holds them.
func list(values []string) []string {
	var all []string
	for _, value := range values {
		for _, each := range strings.Split(value, ",") {
			if each = strings.TrimSpace(each); each != "" {
				all = append(all, each)
			}
		}
	}
	return all
}

// readNodeFile gives every flag that was not set, on the command line or in the
// environment, the value that the configuration file has.
func readNodeFile(c *cli.Context) error {
	name := c.String("config")
	if name == "" {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return api.Invalidf("--config: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return api.Invalidf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return api.Invalidf("%s:%d: want settings as `name: value`", name, root.Line)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if err := setFromFile(c, key.Value, value); err != nil {
			return api.Invalidf("%s:%d: %w", name, key.Line, err)
		}
	}
	return nil
}

func setFromFile(c *cli.Context, key string, value *yaml.Node) error {
	flag := findFlag(c.Command.Flags, key)
	if flag == nil || key == "config" {
		known := flagNames(c.Command.Flags)
		known = slices.DeleteFunc(known, func(name string) bool { return name == "config" })
		return fmt.Errorf("there is no setting %q; %sthere are %s", key, didYouMean(key, known, ""), strings.Join(known, ", "))
	}
	texts, err := scalars(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if _, many := flag.(*cli.StringSliceFlag); !many && len(texts) != 1 {
		return fmt.Errorf("%s: want one value", key)
	}
	if isBool(flag) && texts[0] != "true" && texts[0] != "false" {
		return fmt.Errorf("%s: %q: want true or false", key, texts[0])
	}
	if c.IsSet(key) {
		return nil
	}
	// Together: after the first of several, the flag counts as set.
	return c.Set(key, strings.Join(texts, ","))
}

// scalars are the texts of a value, of a list of them, or of a map as key=value.
func scalars(value *yaml.Node) ([]string, error) {
	switch value.Kind {
	case yaml.ScalarNode:
		return []string{value.Value}, nil
	case yaml.SequenceNode, yaml.MappingNode:
		var all []string
		for i := 0; i < len(value.Content); i++ {
			text := value.Content[i]
			if text.Kind != yaml.ScalarNode {
				return nil, errors.New("want a list of texts")
			}
			item := text.Value
			if value.Kind == yaml.MappingNode {
				i++
				if value.Content[i].Kind != yaml.ScalarNode {
					return nil, errors.New("want texts by name")
				}
				item += "=" + value.Content[i].Value
			}
			all = append(all, item)
		}
		return all, nil
	}
	return nil, errors.New("want a value or a list of values")
}
