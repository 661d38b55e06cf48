import Testing

@testable import ParticleIO
