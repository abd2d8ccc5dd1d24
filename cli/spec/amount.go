package spec

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/orc-project/orc/api"
)

// CPUs reads a number of cores, as 0.5, into billionths.
func CPUs(text string) (int64, error) {
	// ParseFloat first: big.Rat alone would work through an exponent of any size.
	approximate, err := strconv.ParseFloat(text, 64)
	if err != nil || !(approximate >= 0 && approximate <= 1e6) || len(text) > 32 || strings.ContainsAny(text, "eExXpP_") {
		return 0, api.Invalidf("cpus %q: want a number of cores, as 0.5 or 2", text)
	}
	cores, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, api.Invalidf("cpus %q: want a number of cores, as 0.5 or 2", text)
	}
	nano := cores.Mul(cores, big.NewRat(1e9, 1))
	if !nano.IsInt() {
		return 0, api.Invalidf("cpus %q: more than nine digits after the point", text)
	}
	return nano.Num().Int64(), nil
}

// Bytes reads 512m, 1g, 64MiB or a number of bytes; powers of 1,024.
func Bytes(what, text string) (int64, error) {
	size, err := units.RAMInBytes(text)
	if err != nil || size < 0 || size == math.MaxInt64 {
		return 0, api.Invalidf("%s %q: want something like 512m or 2g", what, text)
	}
	return size, nil
}

// Generic reads NAME=N of an operator's own resource.
func Generic(text string) (string, int64, error) {
	name, value, _ := strings.Cut(text, "=")
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < 0 || name == "" {
		return "", 0, api.Invalidf("generic resource %q: want NAME=NUMBER, as gpu=2", text)
	}
	return name, number, nil
}

// Ulimit reads NAME=SOFT[:HARD]; -1 is unlimited.
func Ulimit(text string) (api.Ulimit, error) {
	name, value, found := strings.Cut(text, "=")
	soft, hard, both := strings.Cut(value, ":")
	if !both {
		hard = soft
	}
	limit := api.Ulimit{Name: name}
	var softErr, hardErr error
	limit.Soft, softErr = strconv.ParseInt(soft, 10, 64)
	limit.Hard, hardErr = strconv.ParseInt(hard, 10, 64)
	if !found || name == "" || softErr != nil || hardErr != nil {
		return limit, api.Invalidf("ulimit %q: want NAME=SOFT[:HARD], as nofile=1024:4096", text)
	}
	return limit, nil
}

// Device reads /dev/NAME[:TARGET[:rwm]].
func Device(text string) (api.Device, error) {
	parts := strings.Split(text, ":")
	device := api.Device{Source: parts[0], Target: parts[0], Permissions: "rwm"}
	switch {
	case !strings.HasPrefix(parts[0], "/"), len(parts) > 3:
		return device, api.Invalidf("device %q: want /dev/NAME[:TARGET[:rwm]]", text)
	case len(parts) == 2 && strings.Trim(parts[1], "rwm") == "" && parts[1] != "":
		device.Permissions = parts[1]
	case len(parts) >= 2:
		device.Target = parts[1]
	}
	if len(parts) == 3 {
		device.Permissions = parts[2]
	}
	return device, nil
}

// Logs reads one option of Docker's log drivers that orc has too: max-size=10m
// or max-file=3.
func Logs(text string, container *api.ContainerSpec) (err error) {
	key, value, _ := strings.Cut(text, "=")
	switch key {
	case "max-size":
		container.LogMaxSize, err = Bytes("log option max-size", value)
		return err
	case "max-file":
		container.LogMaxFiles, err = strconv.Atoi(value)
		if err != nil || container.LogMaxFiles < 1 {
			return api.Invalidf("log option max-file %q: want a number from 1", value)
		}
		return nil
	}
	return api.Invalidf("log option %q: orc has max-size and max-file", text)
}
