package cli

import "github.com/urfave/cli/v2"

// commands are all of orc's, in the order of its help.
func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		p.server(), p.agent(),
		p.deploy(), p.apps(), p.service(), p.node(),
		p.ps(), p.inspect(), p.rm(), p.logs(), p.exec(), p.stats(), p.events(), p.doctor(),
		p.token(), p.ca(), p.cluster(), p.snapshot(), p.lock(), p.unlock(), p.unlockKey(),
		p.image(), p.network(), p.volume(), p.secret(), p.config(), p.system(),
		p.context(), p.lab(), p.version(), p.completion(),
	}
}
