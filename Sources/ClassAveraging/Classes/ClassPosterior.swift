import Foundation
import ImageModel
import LinearAlgebra

/// The posterior of a class: statistics of an image and its aligned neighbours added, solved once
/// (method E.6): b_class = b_i + sum_j R_ij b_j, F_class = F_g(i) + sum_j F_g(j),
/// alpha_class = (I + F_class)^{-1} b_class: the MAP class average, CTF-corrected.
struct ClassPosterior {
  private let layout: AngularLayout
  /// F of each group and block.
  private let information: [[Matrix]]
  var statistic: [Double]
  private var groupWeights: [Double]

  init(_ posterior: PosteriorModel) {
    self.init(layout: posterior.layout, information: posterior.information)
  }

  /// - Parameter information: F of each group and block, `information[g][block]`.
  init(layout: AngularLayout, information: [[Matrix]]) {
    self.layout = layout
    self.information = information
    statistic = .init(repeating: 0, count: layout.componentCount * 2)
    groupWeights = .init(repeating: 0, count: information.count)
  }

  /// Empties the class.
  mutating func clear() {
    for i in statistic.indices { statistic[i] = 0 }
    for g in groupWeights.indices { groupWeights[g] = 0 }
  }

  /// Adds an image of group `group` with statistic `b` (component-major, (re, im)), aligned.
  mutating func add(
    _ b: UnsafePointer<Float>, group: Int, _ alignment: Alignment, weight: Double = 1
  ) {
    groupWeights[group] += weight
    alignment.apply(to: b, layout, weight: weight) { (component, re: Double, im: Double) in
      statistic[2 * component] += re
      statistic[2 * component + 1] += im
    }
  }

  /// alpha_class, component-major, (re, im).
  func mean() throws -> [Float] {
    var result = [Float](repeating: 0, count: statistic.count)
    for block in 0..<layout.blockCount {
      let components = layout.components(ofBlock: block)
      var precision = Matrix.identity(components.count)
      for (group, weight) in groupWeights.enumerated() where weight > 0 {
        let part = information[group][block].storage
        for i in part.indices { precision.storage[i] += weight * part[i] }
      }
      let right = Matrix(
        rows: components.count, columns: 2,
        storage: Array(statistic[2 * components.lowerBound..<2 * components.upperBound]))
      let solution = try Cholesky(precision).solve(right)
      for i in solution.storage.indices {
        result[2 * components.lowerBound + i] = Float(solution.storage[i])
      }
    }
    return result
  }
}

extension PosteriorModel {
  /// alpha -> (I + F) alpha of one of some rows, component-major, (re, im).
  func toStatistic(_ values: inout [Float], row: Int, under common: [Matrix]) {
    for block in 0..<layout.blockCount {
      let components = layout.components(ofBlock: block)
      let start = 2 * (row * layout.componentCount + components.lowerBound)
      let old = values[start..<start + 2 * components.count].map { Double($0) }
      for i in 0..<components.count {
        for part in 0..<2 {
          var sum = old[2 * i + part]
          for j in 0..<components.count { sum += common[block][i, j] * old[2 * j + part] }
          values[start + 2 * i + part] = Float(sum)
        }
      }
    }
  }
}
