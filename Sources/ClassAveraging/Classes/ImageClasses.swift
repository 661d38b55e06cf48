import Execution
import ImageModel
import LinearAlgebra
import MPI

/// Images, and the classes that their neighbours make (method E.6): each image's class is itself and its aligned
/// neighbours, weighted by how probable they are.
struct ImageClasses {
  /// Statistics of single images.
  var images: ImageSet
  /// What makes a class.
  var rule: ClassRule
  var context: RunContext

  var posterior: PosteriorModel { images.posterior }
  var rows: CoefficientStore { images.rows }
  private var comm: Communicator { context.comm }

  /// How much neighbours count.
  var weights: NeighbourWeights { NeighbourWeights(rule, among: images) }

  /// The same, told of to another observer.
  func observed(by observer: any StageObserver) -> ImageClasses {
    var copy = self
    copy.context = context.observed(by: observer)
    return copy
  }

  /// F of a class whose members weigh `weight` in all.
  func information(weight: Double) -> [Matrix] {
    posterior.information(weight: weight, of: images.groups)
  }

  /// The classes' statistics as if all had the same information: (I + F) alpha_class, distributed like the
  /// images; F; and the mean weight of the neighbours in a class.
  func statistics(of table: NeighbourTable) throws -> (
    rows: CoefficientStore, information: [Matrix], weight: Double
  ) {
    let own = rows.partition.range(of: comm.rank)
    let k = table.neighboursPerImage
    let weighing = weights
    let firstEntry = own.lowerBound * k
    let weights = (firstEntry..<own.upperBound * k).map { entry in
      table.indices[entry] < 0
        ? 0 : weighing.weight(ofAffinity: table.affinities[entry])
    }
    var sum = FixedPointSum(
      count: 1, bound: Double(rule.members) * NeighbourWeights.maximumWeight, terms: images.count)
    for start in stride(from: 0, to: weights.count, by: k) {
      sum.add([weights[start..<start + min(rule.members, k)].reduce(0, +)])
    }
    let mean = try sum.reduced(over: comm)[0] / Double(images.count)
    let common = information(weight: 1 + mean)
    let classes = ClassMeans(
      posterior: posterior, rows: rows, groups: images.groups, threads: context.threads,
      observer: context.observer)
    let chunk = rows.chunk(neighbours: rule.members)
    let rounds = (rows.partition.range(of: 0).count + chunk - 1) / chunk
    let classRows = try CoefficientStore(
      layout: posterior.layout, partition: rows.partition, on: comm
    ) { target in
      for round in 0..<rounds {
        let start = min(own.lowerBound + round * chunk, own.upperBound)
        let part = start..<min(start + chunk, own.upperBound)
        var means = try classes.means(of: part, table, members: rule.members) {
          weights[$0 - firstEntry]
        }
        for at in 0..<part.count { posterior.toStatistic(&means, row: at, under: common) }
        (target + (start - own.lowerBound) * rows.width).update(from: means, count: means.count)
      }
    }
    return (classRows, common, mean)
  }
}
