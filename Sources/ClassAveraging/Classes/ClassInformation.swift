import ImageModel
import LinearAlgebra

extension PosteriorModel {
  /// F of a class whose members weigh `weight` in all: the mean over the groups, as often as images are in them.
  /// Classes draw their members from all groups, so one serves for all.
  func information(weight: Double, of groups: [Int32]) -> [Matrix] {
    var counts = [Int](repeating: 0, count: groupCount)
    for group in groups { counts[Int(group)] += 1 }
    return (0..<layout.blockCount).map { block in
      let r = layout.components(ofBlock: block).count
      var sum = Matrix(rows: r, columns: r)
      for (group, count) in counts.enumerated() {
        sum += (weight * Double(count) / Double(groups.count)) * information[group][block]
      }
      return sum
    }
  }
}
