package coalesce

// Grid is the distance of the moments at which waits end.
const Grid = grid
