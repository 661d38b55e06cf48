import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI

/// Finds where particles lie in their boxes by what their neighbours show (method E.21): each image is held at every
/// displacement against the class that its neighbours make without it.
///
/// Images are brought to the centre of their class, which is their neighbours' and need not be that of the particle. But
/// where particles lie in their boxes does not depend on how they are turned: the mean displacement of a class's
/// members, each turned as it lies in the class, is what the class is off its centre by, and taken off.
struct ClassCentring {
  let centring: Centring
  let context: RunContext

  /// What neighbours say counts so much: they were chosen for being like the image where it was taken to lie, noise and
  /// all, and would keep it there.
  private static let temperance = 0.3

  /// The survey of the images with their particles where their neighbours say that they are. Collective.
  /// - Parameters:
  ///   - model: of the images as they were compared.
  ///   - classes: of these images, in the order of the file, with the rule of the table.
  ///   - table: their neighbours, on every rank.
  func centred(_ model: FittedModel, _ classes: ImageClasses, _ table: NeighbourTable) throws
    -> ImageSurvey
  {
    let own = model.partition.range(of: context.comm.rank)
    let groups = model.groups.groupOfParticle
    let members = try ClassMembers(classes, table, own)
    let posterior = model.posterior
    let common = posterior.information(weight: Self.temperance, of: groups)
    let known: CentringPass.KnownOfImage = { image in
      let (group, at) = (Int(groups[image]), image - own.lowerBound)
      return .init(
        group: group, statistic: members.statistic(of: at, times: Float(Self.temperance)),
        covariance: try zip(posterior.information[group], common).map { single, common in
          try Cholesky(.identity(single.rows) + single + members.weights[at] * common).inverse()
        })
    }
    let prior = try centring.scatter(model.survey, model, known)
    if prior.deviation == 0 {
      return try centring.displaced(
        model.survey, by: .init(repeating: .zero, count: model.partition.total), scatter: 0)
    }
    let found = try centring.displacements(centring.pass(model.survey, model), prior, known)
    let off = offCentre(
      of: table, classes.weights, centring.displacements(in: model.survey),
      scatter: prior.deviation)
    return try centring.displaced(
      model.survey, by: zip(found, off).map { $0 - $1 }, scatter: prior.deviation)
  }

  /// What each image's class is off its centre by, in the image's own frame.
  /// - Parameters:
  ///   - displacements: of all images, by which the classes were made.
  ///   - scatter: of where particles lie, along either axis.
  private func offCentre(
    of table: NeighbourTable, _ weights: NeighbourWeights, _ displacements: [SIMD2<Float>],
    scatter: Double
  ) -> [SIMD2<Float>] {
    let k = table.neighboursPerImage
    var means: [(mean: SIMD2<Float>, weight: Float)] = []
    means.reserveCapacity(table.count)
    var (square, expected) = (0.0, 0.0)
    for image in 0..<table.count {
      var (sum, total, squares) = (displacements[image], Float(1), Float(1))
      for entry in image * k..<(image + 1) * k where table.indices[entry] >= 0 {
        let weight = Float(weights.weight(ofAffinity: table.affinities[entry]))
        sum +=
          weight * table.alignments[entry].applied(to: displacements[Int(table.indices[entry])])
        total += weight
        squares += weight * weight
      }
      let mean = sum / total
      means.append((mean, total * total / squares))
      square += Double((mean * mean).sum()) / 2
      expected += scatter * scatter * Double(squares / (total * total))
    }
    // The scatter of the classes' centres, beyond what that of their members explains.
    let variance = max(0, square - expected) / Double(max(1, table.count))
    return means.map { mean, members in
      mean * Float(variance / (variance + scatter * scatter / Double(members)))
    }
  }
}

/// The statistics of classes without the images that they are of.
private struct ClassMembers: Sendable {
  /// What the members of each own image's class weigh in all.
  let weights: [Double]
  private let statistics: [Float]
  private let width: Int

  /// Collective.
  init(_ classes: ImageClasses, _ table: NeighbourTable, _ own: Range<Int>) throws {
    let (rows, weighing, layout) = (classes.rows, classes.weights, classes.posterior.layout)
    let width = rows.width
    let k = table.neighboursPerImage
    let chunk = rows.chunk(neighbours: k)
    let rounds = (rows.partition.range(of: 0).count + chunk - 1) / chunk
    var statistics = [Float](repeating: 0, count: own.count * width)
    var weights: [Double] = []
    for round in 0..<rounds {
      let start = min(own.lowerBound + round * chunk, own.upperBound)
      let part = start..<min(start + chunk, own.upperBound)
      let fetched = try classes.context.observer.communicating {
        try rows.fetch(
          Set(table.indices[part.lowerBound * k..<part.upperBound * k].filter { $0 >= 0 }).sorted())
      }
      fetched.withRows { rows in
        for image in part {
          var total = 0.0
          let target = (image - own.lowerBound) * width
          for entry in image * k..<(image + 1) * k where table.indices[entry] >= 0 {
            let weight = weighing.weight(ofAffinity: table.affinities[entry])
            if weight == 0 { continue }
            total += weight
            table.alignments[entry].apply(to: rows[table.indices[entry]], layout, weight: weight) {
              (component, re: Float, im: Float) in
              statistics[target + 2 * component] += re
              statistics[target + 2 * component + 1] += im
            }
          }
          weights.append(total)
        }
      }
    }
    (self.weights, self.statistics, self.width) = (weights, statistics, width)
  }

  func statistic(of image: Int, times factor: Float) -> [Float] {
    statistics[image * width..<(image + 1) * width].map { factor * $0 }
  }
}
