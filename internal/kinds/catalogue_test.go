package kinds_test

import (
	"testing"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/kinds"
)

// Of every chart and package that a blueprint may ask for is known which kinds it brings.
func TestTheCatalogueIsKnown(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Services {
		if s.Chart != nil {
			if _, known := kinds.Known(s.Chart.URL + "/" + s.Chart.Name); !known {
				t.Errorf("chart %s of %s is not known", s.Chart.Name, s.Chart.URL)
			}
		}
		if s.Package != nil {
			if _, known := kinds.OfPackage(s.Package.RefName); !known {
				t.Errorf("package %s is not known", s.Package.RefName)
			}
		}
	}
}
