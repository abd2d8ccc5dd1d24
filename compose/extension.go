package compose

// The extensions that orc knows, in a service and in a port's long form.
const (
	extSchedule      = "x-orc-schedule"       // cron expression of a job
	extMaxConcurrent = "x-orc-max-concurrent" // tasks of a job at once
	extDrainDelay    = "x-orc-drain-delay"    // before the stop signal
	extIsolation     = "x-orc-isolation"      // on a node that no manager reaches
	extRebalance     = "x-orc-rebalance"      // move tasks by itself to spread better
	extLocalFirst    = "x-orc-local-first"    // of a port: prefer the node asked
)

var extensions = map[string]bool{
	"services.*." + extSchedule:            true,
	"services.*." + extMaxConcurrent:       true,
	"services.*." + extDrainDelay:          true,
	"services.*." + extIsolation:           true,
	"services.*." + extRebalance:           true,
	"services.*.ports.[]." + extLocalFirst: true,
}
