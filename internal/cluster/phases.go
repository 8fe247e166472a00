package cluster

import (
	"maps"
	"sync"
	"time"
)

// Phases reports the parts of a long operation to a person, and records how long each took.
type Phases struct {
	// Step says what begins; the returned function says that it is over. nil: nobody is told.
	Step func(title string) func(error)

	mu      sync.Mutex
	seconds map[string]float64
}

// Run runs one part.
func (p *Phases) Run(name string, part func() error) error {
	done, start := func(error) {}, time.Now()
	if p.Step != nil {
		done = p.Step(name)
	}
	err := part()
	done(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seconds == nil {
		p.seconds = map[string]float64{}
	}
	p.seconds[name] = time.Since(start).Seconds()
	return err
}

// Seconds returns the duration of each part that has ended, by name.
func (p *Phases) Seconds() map[string]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.seconds)
}
