import Foundation
import Testing

@testable import ImageModel

@Suite struct AngularPhasesTests {
  /// Blocks may be missing: the phase goes by the frequency, not by the block's number.
  @Test(arguments: [0.0, 0.7, -2.9, .pi, 40])
  func phasesAreCosineAndSineOfEachFrequency(angle: Double) {
    let frequencies = [0, 1, 4, 9, 60]
    let layout = AngularLayout(frequencies: frequencies, counts: [2, 1, 3, 1, 2])
    var seen: [Int] = []
    layout.forEachPhase(of: angle) { block, k, phase in
      #expect(block == seen.count)
      seen.append(k)
      #expect(abs(phase.x - cos(Double(k) * angle)) < 1e-13)
      #expect(abs(phase.y - sin(Double(k) * angle)) < 1e-13)
    }
    #expect(seen == frequencies)
  }
}
