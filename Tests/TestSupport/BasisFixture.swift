import Foundation

@testable import Fourier
@testable import ImageModel

/// The real basis functions at the pixels, [component][part][pixel], straight from their definition.
package func pixelFunctions(_ basis: FourierBesselBasis) -> [[[Double]]] {
  let size = basis.size
  var result: [[[Double]]] = []
  for k in basis.layout.frequencies {
    let count = basis.layout.components(ofBlock: k).count
    var values = [[[Double]]](
      repeating: [[Double]](repeating: .init(repeating: 0, count: size * size), count: 2),
      count: count)
    for row in 0..<size {
      for column in 0..<size {
        let (x, y) = (Double(column - size / 2), Double(row - size / 2))
        let r = hypot(x, y)
        let phi = atan2(y, x)
        let radial = basis.realRadial(
          block: k, at: r, bessel: besselJ(k, 2 * .pi * basis.bandLimit * r))
        for (q, g) in radial.enumerated() {
          let scale = k == 0 ? 1 : 2.0.squareRoot()
          values[q][0][row * size + column] = scale * g * cos(Double(k) * phi)
          values[q][1][row * size + column] = k == 0 ? 0 : scale * g * sin(Double(k) * phi)
        }
      }
    }
    result += values
  }
  return result
}

/// Coefficients of images by `SteerableAnalysis`.
package func analyze(_ images: [[Float]], _ basis: FourierBesselBasis) -> SteerableCoefficients {
  let analysis = SteerableAnalysis(basis: basis)
  var result = SteerableCoefficients(layout: basis.layout, count: images.count)
  for group in 0..<result.laneGroupCount {
    for lane in 0..<16 {
      let i = group * 16 + lane
      if i < images.count {
        analysis.load(images[i], lane: lane)
      } else {
        analysis.clear(lane: lane)
      }
    }
    result.lanes.withUnsafeMutableBufferPointer {
      analysis.analyze(into: $0.baseAddress! + group * basis.layout.componentCount * 2)
    }
  }
  return result
}
