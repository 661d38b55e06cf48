import Testing

@testable import Fourier
