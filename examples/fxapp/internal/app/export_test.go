package app

// Within is Server.within.
func Within(s Server, descriptors int) Server { return s.within(descriptors) }
