"""Pictures of a release as SVG: the console, the reports and the pages of docs show the same ones."""
