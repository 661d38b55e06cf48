import Execution
import LinearAlgebra
import MPI

/// How far each image is from what a model explains, and how much it therefore counts in mean and covariance: edges,
/// ice and other junk would steer both, for they are stronger than any particle.
///
/// The distance is d_i = z^H (B Sigma B + B)^+ z / dimensions (method E.19.1) of the image's statistic less the mean's,
/// z = B^T A^T W^2 y - B mu, about 1 where the model explains it. Images count less the further they are from the usual distance, and not at all
/// beyond a limit (a redescending M-estimator; Hampel 1974).
struct RobustWeights {
  /// Of this rank's images: 1 for those that the model explains.
  let weights: [Float]
  /// What this rank's images are multiplied by, so that whatever compares, averages or matches images later meets none
  /// that is stronger than all others together: 0 for those that do not count at all.
  let factors: [Float]
  /// Images on all ranks that count less than 1.
  let reduced: Int

  /// From so many standard deviations on, as the middle half of the images shows it, images count less, and from the
  /// second on not at all.
  private static let (first, last) = (6.0, 12.0)
  /// Directions with less than this share of the largest variance are left out: rounding is all that is there.
  private static let conditionLimit = 1e-4

  /// Collective; the same bits on any number of ranks.
  /// - Parameters:
  ///   - covariance: Sigma_k of each block and the mean; nil for images of noise alone.
  ///   - groups: the defocus group of each image.
  init(
    of statistics: SteerableCoefficients, groups: ArraySlice<Int32>, model: ImageModel,
    estimate: MeanAndCovariance?, threads: Int, on comm: Communicator
  ) throws {
    let layout = statistics.layout
    let mean = estimate?.mean ?? []
    // Each rank decomposes its part of the groups' blocks.
    let cells = model.squared.count * layout.blockCount
    var own: [Double] = []
    for cell in stride(from: comm.rank, to: cells, by: comm.size) {
      let (group, block) = cell.quotientAndRemainder(dividingBy: layout.blockCount)
      own += try Self.whitening(model.squared[group][block], estimate?.covariance[block])
    }
    let all = try comm.allgatherRagged(own)
    var roots = [Root](repeating: Root(), count: cells)
    var at = 0
    for rank in 0..<comm.size {
      for cell in stride(from: rank, to: cells, by: comm.size) {
        let p = layout.components(ofBlock: cell % layout.blockCount).count
        roots[cell] = Root(
          dimensions: all[at], values: all[at + 1..<at + 1 + p * p].map { Float($0) })
        at += 1 + p * p
      }
    }
    let whitening = roots
    let expected = mean.isEmpty ? [] : model.squared.map { $0[0].times(mean) }
    let found = WorkerPool(threads: threads, items: statistics.count).map(statistics.count) {
      _, image -> Float in
      let group = Int(groups[groups.startIndex + image])
      var (sum, dimensions) = (0.0, 0.0)
      for block in 0..<layout.blockCount {
        let components = layout.components(ofBlock: block)
        let root = whitening[group * layout.blockCount + block]
        let p = components.count
        dimensions += Double(ImageModel.multiplicity(ofBlock: block)) * root.dimensions
        var (re, im) = ([Float](repeating: 0, count: p), [Float](repeating: 0, count: p))
        for (q, component) in components.enumerated() {
          let z = statistics.value(image: image, component: component)
          let usual = block == 0 && !mean.isEmpty ? Float(expected[group][q]) : 0
          (re[q], im[q]) = (z.re - usual, z.im)
        }
        for row in 0..<p {
          var (x, y) = (Float(0), Float(0))
          for column in 0..<p {
            x += root.values[row * p + column] * re[column]
            y += root.values[row * p + column] * im[column]
          }
          sum += Double(x) * Double(x) + Double(y) * Double(y)
        }
      }
      return dimensions > 0 ? Float(min(sum / dimensions, 1e30)) : 1
    }
    let everyone = try comm.allgatherRagged(found)
    let place = groups.startIndex..<groups.endIndex
    let everyGroup = try comm.allgatherRagged(place.map { groups[$0] })
    // Each group's CTF passes another part of the signal.
    let usual = Self.usual(of: everyone, groups: everyGroup, count: model.squared.count)
    var deviations = zip(everyone, everyGroup).map { abs($0 / usual[Int($1)] - 1) }
    let chance =
      (2
      / max(
        1,
        roots.prefix(layout.blockCount).enumerated().reduce(0) {
          $0 + Double(ImageModel.multiplicity(ofBlock: $1.offset)) * $1.element.dimensions
        })).squareRoot()
    let deviation = max(1.4826 * Double(median(&deviations)), chance)
    func weight(_ distance: Float, _ group: Int32) -> Float {
      let far = (Double(distance) / Double(usual[Int(group)]) - 1) / deviation
      return Float(min(1, max(0, (Self.last - far) / (Self.last - Self.first))))
    }
    let ownGroups = place.map { groups[$0] }
    weights = zip(found, ownGroups).map(weight)
    factors = zip(found, ownGroups).map { distance, group in
      let farthest = Double(usual[Int(group)]) * (1 + Self.first * deviation)
      return weight(distance, group)
        * Float(min(1, (farthest / max(Double(distance), 1e-30)).squareRoot()))
    }
    reduced = zip(everyone, everyGroup).count { weight($0, $1) < 1 }
  }

  /// The median distance in each group, or among all where a group is small.
  private static func usual(of distances: [Float], groups: [Int32], count: Int) -> [Float] {
    var all = distances
    let overall = max(median(&all), .leastNormalMagnitude)
    var members = [[Float]](repeating: [], count: count)
    for (distance, group) in zip(distances, groups) { members[Int(group)].append(distance) }
    return members.map { own in
      var own = own
      return own.count < 20 ? overall : max(median(&own), .leastNormalMagnitude)
    }
  }

  private struct Root {
    var dimensions = 0.0
    var values: [Float] = []
  }

  /// The number of directions that are kept, then (B Sigma B + B)^{-1/2} in them, row-major.
  private static func whitening(_ squared: Matrix, _ covariance: Matrix?) throws -> [Double] {
    let noise = squared
    let all = try SymmetricEigen(
      covariance.map { (noise + noise * $0 * noise).symmetrized } ?? noise)
    let floor = max(0, all.values.first ?? 0) * conditionLimit
    let kept = all.values.count { $0 > floor }
    return [Double(kept)] + all.applying { $0 > floor ? 1 / $0.squareRoot() : 0 }.storage
  }
}
