import Foundation
import Testing

@testable import ImageModel

@Suite struct ShrinkageTests {
  @Test("A spike's biased eigenvalue goes back to the spike", arguments: [0.02, 0.3, 1.0, 2.5])
  func closedForms(ratio: Double) {
    for sigma2 in [0.25, 4.0] {
      for spike in [1.01, 1.7, 20.0] {
        // A population eigenvalue 1 + l shows as (1 + l)(1 + gamma / l); its vector's squared cosine
        // is (1 - gamma / l^2) / (1 + gamma / l).
        let l = spike * ratio.squareRoot()
        let shown = sigma2 * (1 + l) * (1 + ratio / l)
        let debiased = Shrinkage.operator.shrunk(shown, noiseVariance: sigma2, ratio: ratio)
        #expect(abs(debiased / (sigma2 * l) - 1) < 1e-6)
        let frobenius = Shrinkage.frobenius.shrunk(shown, noiseVariance: sigma2, ratio: ratio)
        let cosine = (1 - ratio / (l * l)) / (1 + ratio / l)
        #expect(abs(frobenius / (sigma2 * l * cosine) - 1) < 1e-5)
      }
    }
  }

  @Test(arguments: Shrinkage.allCases)
  func zeroUpToTheEdgeAndMonotoneAfter(rule: Shrinkage) {
    let (sigma2, ratio) = (0.5, 0.2)
    let edge = sigma2 * (1 + ratio.squareRoot()) * (1 + ratio.squareRoot())
    #expect(rule.shrunk(edge, noiseVariance: sigma2, ratio: ratio) == 0)
    #expect(rule.shrunk(0.9 * edge, noiseVariance: sigma2, ratio: ratio) == 0)
    #expect(rule.shrunk(1.001 * edge, noiseVariance: sigma2, ratio: ratio) > 0)
    var last = 0.0
    for step in 1...200 {
      let value = edge * (1 + 0.02 * Double(step))
      let shrunk = rule.shrunk(value, noiseVariance: sigma2, ratio: ratio)
      let loose = Shrinkage.operator.shrunk(value, noiseVariance: sigma2, ratio: ratio)
      #expect(shrunk > last && shrunk <= loose && loose < value - sigma2)
      last = shrunk
    }
  }

  @Test(arguments: Shrinkage.allCases)
  func manySamplesNeedNoShrinking(rule: Shrinkage) {
    let shrunk = rule.shrunk(3.5, noiseVariance: 0.5, ratio: 1e-12)
    #expect(abs(shrunk - 3) < 1e-9)
  }
}
