import Execution
import Foundation
import ImageModel

/// Posterior means of classes: each image with its aligned neighbours (method E.6), computed where asked for
/// from the statistics that lie distributed over the ranks.
struct ClassMeans {
  let posterior: PosteriorModel
  let rows: CoefficientStore
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  let threads: Int
  let observer: any StageObserver

  /// alpha_class of some images, component-major, (re, im), one row after the other. Collective:
  /// every rank takes part in the exchange of coefficients, with no image where it has nothing to
  /// do.
  /// - Parameters:
  ///   - table: the neighbours, on every rank.
  ///   - members: how many of each image's neighbours enter, the best first.
  ///   - weight: with what weight the neighbour at an entry of the table enters.
  /// - Throws: `LAPACKError`, `MPIError`.
  func means(
    of images: some Collection<Int>, _ table: NeighbourTable, members: Int,
    weight: @Sendable (Int) -> Double = { _ in 1 }
  ) throws -> [Float] {
    let images = Array(images)
    let k = table.neighboursPerImage
    @Sendable func entries(_ image: Int) -> Range<Int> { image * k..<image * k + min(members, k) }
    func needed() -> [Int32] {
      var all = Set(images.map { Int32($0) })
      for image in images { all.formUnion(table.indices[entries(image)].lazy.filter { $0 >= 0 }) }
      return all.sorted()
    }
    let fetched = try observer.communicating { try rows.fetch(needed()) }
    let width = rows.width
    var means = [Float](repeating: 0, count: images.count * width)
    try fetched.withRows { rows in
      try WorkerPool(threads: threads, items: images.count) { ClassPosterior(posterior) }
        .forEachRow(0..<images.count, of: &means, width: width) { [groups] state, at, row in
          let image = images[at]
          state.clear()
          func add(_ member: Int32, _ alignment: Alignment, weight: Double) {
            state.add(rows[member], group: Int(groups[Int(member)]), alignment, weight: weight)
          }
          add(Int32(image), .identity, weight: 1)
          for entry in entries(image) where table.indices[entry] >= 0 {
            add(table.indices[entry], table.alignments[entry], weight: weight(entry))
          }
          let mean = try state.mean()
          for i in 0..<width { row[i] = mean[i] }
        }
    }
    return means
  }
}
