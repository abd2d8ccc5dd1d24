package compose

import (
	"errors"
	"slices"
	"strings"

	"github.com/orc-project/orc/api"
)

// fieldKeys say where a service of a file has what the api calls a field: the
// first of the keys that the file has, or else the first.
var fieldKeys = map[string][]string{
	"labels":        {"deploy.labels"},
	"mode":          {"deploy.mode"},
	"replicas":      {"deploy.replicas", "scale"},
	"maxConcurrent": {extMaxConcurrent},
	"schedule":      {extSchedule},
	"endpoint":      {"deploy.endpoint_mode"},
	"networkMode":   {"network_mode"},
	"networks":      {"networks"},
	"ports":         {"ports"},
	"drainDelay":    {extDrainDelay},
	"stopIsolated":  {extIsolation},
	"dependsOn":     {"depends_on"},

	"container.image":        {"image"},
	"container.entrypoint":   {"entrypoint"},
	"container.args":         {"command"},
	"container.env":          {"environment", "env_file"},
	"container.labels":       {"labels"},
	"container.dir":          {"working_dir"},
	"container.user":         {"user"},
	"container.groups":       {"group_add"},
	"container.hostname":     {"hostname"},
	"container.domainname":   {"domainname"},
	"container.tty":          {"tty"},
	"container.openStdin":    {"stdin_open"},
	"container.readOnly":     {"read_only"},
	"container.init":         {"init"},
	"container.stopSignal":   {"stop_signal"},
	"container.stopGrace":    {"stop_grace_period"},
	"container.mounts":       {"volumes", "tmpfs"},
	"container.secrets":      {"secrets"},
	"container.configs":      {"configs"},
	"container.health":       {"healthcheck"},
	"container.health.test":  {"healthcheck.test"},
	"container.postStart":    {"post_start"},
	"container.preStop":      {"pre_stop"},
	"container.ulimits":      {"ulimits"},
	"container.sysctls":      {"sysctls"},
	"container.devices":      {"devices"},
	"container.capAdd":       {"cap_add"},
	"container.capDrop":      {"cap_drop"},
	"container.privileged":   {"privileged"},
	"container.securityOpts": {"security_opt"},
	"container.pidMode":      {"pid"},
	"container.ipcMode":      {"ipc"},
	"container.shmSize":      {"shm_size"},
	"container.oomScoreAdj":  {"oom_score_adj"},
	"container.dns":          {"dns"},
	"container.dnsSearch":    {"dns_search"},
	"container.dnsOptions":   {"dns_opt"},
	"container.hosts":        {"extra_hosts"},
	"container.logMaxSize":   {"logging.options.max-size"},
	"container.logMaxFiles":  {"logging.options.max-file"},

	"resources.limits.nanoCpus":       {"deploy.resources.limits.cpus", "cpus"},
	"resources.limits.memory":         {"deploy.resources.limits.memory", "mem_limit"},
	"resources.limits.pids":           {"deploy.resources.limits.pids", "pids_limit"},
	"resources.reservations.nanoCpus": {"deploy.resources.reservations.cpus"},
	"resources.reservations.memory":   {"deploy.resources.reservations.memory", "mem_reservation"},
	"resources.reservations.generic":  {"deploy.resources.reservations.generic_resources"},

	"restart.condition":   {"deploy.restart_policy.condition", "restart"},
	"restart.delay":       {"deploy.restart_policy.delay"},
	"restart.maxAttempts": {"deploy.restart_policy.max_attempts", "restart"},
	"restart.window":      {"deploy.restart_policy.window"},

	"placement.constraints": {"deploy.placement.constraints"},
	"placement.preferences": {"deploy.placement.preferences"},
	"placement.maxPerNode":  {"deploy.placement.max_replicas_per_node"},
	"placement.platforms":   {"platform"},
	"placement.rebalance":   {extRebalance},

	"update":                   {"deploy.update_config"},
	"update.parallelism":       {"deploy.update_config.parallelism"},
	"update.delay":             {"deploy.update_config.delay"},
	"update.monitor":           {"deploy.update_config.monitor"},
	"update.failureAction":     {"deploy.update_config.failure_action"},
	"update.maxFailureRatio":   {"deploy.update_config.max_failure_ratio"},
	"update.order":             {"deploy.update_config.order"},
	"rollback":                 {"deploy.rollback_config"},
	"rollback.parallelism":     {"deploy.rollback_config.parallelism"},
	"rollback.delay":           {"deploy.rollback_config.delay"},
	"rollback.monitor":         {"deploy.rollback_config.monitor"},
	"rollback.failureAction":   {"deploy.rollback_config.failure_action"},
	"rollback.maxFailureRatio": {"deploy.rollback_config.max_failure_ratio"},
	"rollback.order":           {"deploy.rollback_config.order"},
}

// inOrder are the lists that keep a file's order, so that an element's number is
// the same in both.
var inOrder = []string{
	"container.mounts", "container.secrets", "container.configs", "container.devices", "container.securityOpts",
	"container.postStart", "container.preStop",
	"placement.constraints", "placement.preferences",
}

// keyOf is the path in the files of a service's field as the api has it, or of the
// nearest one above it.
func (i *index) keyOf(service, field string) string {
	base := "services." + service
	for at := field; at != ""; at = parent(at) {
		keys, found := fieldKeys[at]
		if !found {
			continue
		}
		path := join(base, keys[0])
		if n := slices.IndexFunc(keys, func(key string) bool { return i.has(join(base, key)) }); n >= 0 {
			path = join(base, keys[n])
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(field[len(at):], "."), ".")
		if element := join(path, number); number != "" && i.files == 1 && slices.Contains(inOrder, at) && i.has(element) {
			return element
		}
		return path
	}
	return base
}

// topKey is the path of a field of a network, secret or config.
func topKey(field string) string {
	path, name := parent(field), field[strings.LastIndexByte(field, '.')+1:]
	switch name {
	case "subnet":
		return join(path, "ipam.config")
	case "mtu":
		return join(path, "driver_opts")
	}
	return field
}

// fieldOf is the field that an error of the api is about, if any.
func fieldOf(err error) string {
	var wrong *api.Error
	if errors.As(err, &wrong) {
		return wrong.Field
	}
	return ""
}

func (i *index) has(path string) bool {
	_, found := i.at[path]
	return found
}

// parent is the path above a dotted path; "" above the first.
func parent(path string) string { return path[:max(0, strings.LastIndexByte(path, '.'))] }
