import Foundation

/// The principal images as filters on the Fourier grid, for `ShiftLikelihood`: what an image's spectrum is multiplied by
/// and summed over the grid for its statistic's components.
struct ShiftFilters: Sendable {
  /// A component's real or imaginary part.
  struct Filter: Sendable {
    let block: Int
    /// In the block.
    let component: Int
    let isImaginary: Bool
    /// Whether it sees the spectrum's imaginary part: angular frequencies that are odd.
    let isOdd: Bool
  }

  /// Grid points on either side of the origin.
  let half: Int
  let filters: [Filter]
  /// Of each filter, then of the mean image: (2 half + 1) rows, half + 1 columns.
  let weights: [Float]
  /// What the mean image contributes to components of frequency 0, for each defocus group.
  let meanStatistic: [[Float]]
  /// Which block has frequency 0.
  let meanBlock: Int?

  var rows: Int { 2 * half + 1 }
  var columns: Int { half + 1 }
  var points: Int { rows * columns }

  init(_ posterior: PosteriorModel, basis: FourierBesselBasis) {
    let size = basis.size
    half = min((size - 1) / 2, Int(Double(size) * basis.bandLimit))
    let (rows, columns, half) = (2 * half + 1, half + 1, half)
    let layout = posterior.layout
    let meanBlock = layout.frequencies.first == 0 ? 0 : nil
    self.meanBlock = meanBlock
    filters = layout.frequencies.enumerated().flatMap { block, k in
      layout.components(ofBlock: block).indices.flatMap { at -> [Filter] in
        (0..<(k == 0 ? 1 : 2)).map {
          Filter(
            block: block, component: at - layout.offsets[block], isImaginary: $0 == 1,
            isOdd: k % 2 == 1)
        }
      }
    }
    let points = rows * columns
    // Images are sums over the whole plane, of which half is kept; the column 0 is whole.
    let scale = 1 / (Double(size * size) * posterior.noiseVariance)
    var weights = [Float](repeating: 0, count: (filters.count + 1) * points)
    let places = (0..<points).map { i -> (xi: Double, angle: Double, weight: Double) in
      let (x, y) = (Double(i % columns), Double(i / columns - half))
      return (
        hypot(x, y) / Double(size), atan2(y, x), i % columns == 0 ? scale : 2 * scale
      )
    }
    func factor(_ k: Int) -> Double {
      (((k + 1) / 2) % 2 == 0 ? 1 : -1) * (k == 0 ? 1 : 2.0.squareRoot())
    }
    for (i, place) in places.enumerated() where place.xi <= basis.bandLimit {
      for block in 0..<layout.blockCount {
        let k = layout.frequencies[block]
        let radial = basis.fourierRadial(block: k, at: place.xi)
        let vectors = posterior.synthesis[block]
        let (c, s) = (cos(Double(k) * place.angle), sin(Double(k) * place.angle))
        var at = filters.firstIndex { $0.block == block } ?? 0
        for component in 0..<vectors.columns {
          var value = 0.0
          for q in radial.indices { value += radial[q] * vectors[q, component] }
          value *= place.weight * factor(k)
          weights[at * points + i] = Float(value * c)
          at += 1
          if k > 0 {
            weights[at * points + i] = Float(value * s)
            at += 1
          }
        }
      }
      let mean = zip(basis.fourierRadial(block: 0, at: place.xi), posterior.mean)
      weights[filters.count * points + i] = Float(
        place.weight * mean.reduce(0) { $0 + $1.0 * $1.1 })
    }
    self.weights = weights
    meanStatistic = posterior.meanStatistic.map { mean in
      guard let meanBlock else { return [] }
      let vectors = posterior.synthesis[meanBlock]
      return (0..<vectors.columns).map { s in
        Float(
          mean.indices.reduce(0.0) { $0 + vectors[$1, s] * mean[$1] } / posterior.noiseVariance)
      }
    }
  }
}
