import Execution
import Foundation
import ImageModel
import MPI

/// What the probability of a neighbour is computed from.
struct NeighbourFeatures {
  /// What is known of a pair.
  struct Pair {
    /// rho: the Pearson correlation of the two clean images, aligned as found, that the posteriors of their
    /// classes let expect.
    var correlation: Double
    /// e: the posterior variance of a class over the energy of its mean, the geometric mean of both.
    var error: Double
    /// a: what orders the neighbours (`NeighbourTable.affinities`).
    var affinity: Float
  }

  /// What all pairs of a run share.
  struct Run {
    /// E: the energy of the classes' means, less the mean image, over what the prior and their posterior
    /// variance leave for it: 1 where classes are what they should be, more where they hold noise.
    var energyRatio: Double
    /// w: the mean weight of a neighbour in a class, over that of a sure one, 0 to 1.
    var weight: Double
  }

  let run: Run
  /// n x K, for the images of this rank; nil where there is no neighbour, and where none was asked for.
  let pairs: [Pair?]
}

/// Computes the features of a table's pairs. The class of an image is the image itself and its neighbours,
/// weighted as in `ClassRefinements`.
struct NeighbourFeatureExtraction {
  let basis: FourierBesselBasis
  /// The images, and what makes a class.
  let source: ImageClasses

  var comm: Communicator { source.context.comm }
  var observer: any StageObserver { source.context.observer }
  private var rows: CoefficientStore { source.rows }
  private var classes: ClassMeans {
    ClassMeans(
      posterior: source.posterior, rows: rows, groups: source.images.groups,
      threads: source.context.threads,
      observer: observer)
  }

  /// The features of this rank's images, and of the run. Collective.
  /// - Parameters:
  ///   - table: the neighbours, on every rank.
  ///   - best: K, the neighbours of each image whose pairs are asked for, at most those of the table.
  ///   - isAskedFor: the images whose pairs are asked for.
  func features(
    of table: NeighbourTable, best: Int, isAskedFor: (Int) -> Bool = { _ in true }
  ) throws -> NeighbourFeatures {
    let (posterior, groups) = (source.posterior, source.images.groups)
    let weights = source.weights
    let energy = ImageEnergy(posterior, basis: basis)
    let own = rows.partition.range(of: comm.rank)
    let k = table.neighboursPerImage
    let uncertainty = try ClassUncertainty(
      posterior: posterior, groups: groups, energy: energy,
      largestWeight: 1 + Double(k) * NeighbourWeights.maximumWeight)
    @Sendable func weight(_ entry: Int) -> Double {
      table.indices[entry] < 0 ? 0 : weights.weight(ofAffinity: table.affinities[entry])
    }
    var means: [Float] = []
    means.reserveCapacity(own.count * rows.width)
    try forEachChunk { part in
      means += try classes.means(of: part, table, members: k, weight: weight)
    }
    /// What the members of a class weigh in all.
    func classWeight(_ image: Int) -> Double {
      (image * k..<(image + 1) * k).reduce(1) { $0 + weight($1) }
    }
    let bound = max(energy.prior * 1e3, Double(k))
    var sums = FixedPointSum(count: 3, bound: bound, terms: groups.count)
    means.withUnsafeBufferPointer { means in
      for (at, image) in own.enumerated() {
        let weight = classWeight(image)
        sums.add([
          min(energy.fluctuation(means.baseAddress! + at * rows.width), bound),
          energy.prior - uncertainty.variance(weight: weight), weight - 1,
        ])
      }
    }
    let total = try sums.reduced(over: comm)
    let run = NeighbourFeatures.Run(
      energyRatio: total[0] / max(total[1], total[0] * 1e-3, .leastNormalMagnitude),
      weight: total[2] / (Double(groups.count * k) * NeighbourWeights.maximumWeight))

    let meanRows = try CoefficientStore(
      layout: posterior.layout, partition: rows.partition, on: comm
    ) { $0.update(from: means, count: means.count) }
    var pairs = [NeighbourFeatures.Pair?](repeating: nil, count: own.count * best)
    try forEachChunk { part in
      let part = part.filter(isAskedFor)
      var needed = part.map { Int32($0) }
      for image in part {
        needed += table.indices[image * k..<image * k + best].filter { $0 >= 0 }
      }
      let unique = Set(needed).sorted()
      let fetched = try observer.communicating { try meanRows.fetch(unique) }
      var place: [Int32: Int] = [:]
      for (at, image) in unique.enumerated() { place[image] = at }
      let variances = unique.map { uncertainty.variance(weight: classWeight(Int($0))) }
      fetched.withRows { rows in
        let energies = unique.map { energy.total(rows[$0]) }
        let pool = WorkerPool(threads: source.context.threads, items: part.count)
        let found = pool.map(part.count) { [place] _, at in
          let image = part[at]
          let i = place[Int32(image)]!
          return (image * k..<image * k + best).map { entry -> NeighbourFeatures.Pair? in
            guard let j = place[table.indices[entry]] else { return nil }
            let product = energy.product(
              rows[Int32(image)], rows[table.indices[entry]], table.alignments[entry])
            let norm =
              ((energies[i] + variances[i]) * (energies[j] + variances[j])).squareRoot()
            let error = (variances[i] * variances[j] / (energies[i] * energies[j])).squareRoot()
            return .init(
              correlation: product / norm, error: error, affinity: table.affinities[entry])
          }
        }
        for (image, found) in zip(part, found) {
          let start = (image - own.lowerBound) * best
          pairs.replaceSubrange(start..<start + best, with: found)
        }
      }
    }
    return NeighbourFeatures(run: run, pairs: pairs)
  }

  /// Calls `body` with stretches of this rank's images, the same number of times on every rank.
  private func forEachChunk(_ body: (Range<Int>) throws -> Void) throws {
    let own = rows.partition.range(of: comm.rank)
    let chunk = rows.chunk(neighbours: source.rule.members)
    for offset in stride(from: 0, to: rows.partition.range(of: 0).count, by: chunk) {
      let start = min(own.lowerBound + offset, own.upperBound)
      try body(start..<min(start + chunk, own.upperBound))
    }
  }

  /// Class averages of images evenly spread, Fourier-Bessel coefficients less the mean image, component-major,
  /// (re, im), on every rank. Collective.
  /// - Parameter count: of the images, at most.
  func classAverages(of table: NeighbourTable, count: Int) throws -> [Float] {
    let own = rows.partition.range(of: comm.rank)
    let count = min(count, table.count)
    let images = (0..<count).map { $0 * table.count / count }.filter { own.contains($0) }
    let weights = source.weights
    let posterior = source.posterior
    let means = try classes.means(of: images, table, members: table.neighboursPerImage) {
      weights.weight(ofAffinity: table.affinities[$0])
    }
    let layout = basis.layout
    let width = layout.componentCount * 2
    var result = [Float](repeating: 0, count: images.count * width)
    for at in images.indices {
      for (block, k) in posterior.layout.frequencies.enumerated() {
        let vectors = posterior.synthesis[block]
        for (q, component) in layout.components(ofBlock: k).enumerated() {
          for (s, source) in posterior.layout.components(ofBlock: block).enumerated() {
            let weight = Float(vectors[q, s])
            let (target, mean) = (at * width + 2 * component, at * rows.width + 2 * source)
            result[target] += weight * means[mean]
            result[target + 1] += weight * means[mean + 1]
          }
        }
      }
    }
    return try observer.communicating { try comm.allgatherRagged(result) }
  }
}
