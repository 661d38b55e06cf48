import Execution
import LinearAlgebra
import MPI

/// First and second moments of the images' statistics b = B^T A^T W^2 y in each defocus group, weighted: all that mean
/// and covariance need (method E.3), reduced over ranks by one Allreduce of fixed-point sums.
public struct GroupMoments: Sendable {
  /// Sum of b over the images of each group, each by its weight, k = 0 block only.
  public let sums: [[Double]]
  /// Sum over the images of each group of Re b b^H, each by its weight, per block: `products[g][k]`, p_k x p_k.
  public let products: [[Matrix]]

  /// The sum of the images' weights in each group; nil where all are 1.
  public let counts: [Double]?

  package init(sums: [[Double]], products: [[Matrix]]) {
    self.sums = sums
    self.products = products
    counts = nil
  }

  /// Sums over all ranks' images. Collective. The result's bits do not depend on the number of ranks.
  /// - Parameters:
  ///   - statistics: b of this rank's images.
  ///   - groups: the defocus group of each of them.
  ///   - weights: how much each of them counts, from 0 to 1; nil for all alike.
  ///   - groupCount: how many groups there are.
  ///   - imageCount: images on all ranks.
  ///   - comm: the ranks that take part.
  ///   - observer: told how many images are done.
  public init(
    of statistics: SteerableCoefficients, groups: ArraySlice<Int32>, weights: [Float]? = nil,
    groupCount: Int, imageCount: Int, on comm: Communicator,
    observer: any StageObserver = SilentObserver()
  ) throws {
    let layout = statistics.layout
    // A bound on the elements of each block: |b_q conj b_q'| <= max |b_q|^2.
    var bounds = [Double](repeating: 0, count: layout.blockCount)
    for image in 0..<statistics.count {
      for k in 0..<layout.blockCount {
        for component in layout.components(ofBlock: k) {
          let z = statistics.value(image: image, component: component)
          bounds[k] = max(bounds[k], Double(z.re) * Double(z.re) + Double(z.im) * Double(z.im))
        }
      }
    }
    try observer.communicating { try comm.allreduce(&bounds, .maximum) }

    let p0 = layout.components(ofBlock: 0).count
    var meanSum = FixedPointSum(
      count: groupCount * p0, bound: bounds[0].squareRoot(), terms: imageCount)
    var products: [FixedPointSum] = []
    for k in 0..<layout.blockCount {
      let p = layout.components(ofBlock: k).count
      products.append(
        FixedPointSum(
          count: groupCount * p * (p + 1) / 2, bound: bounds[k], terms: imageCount))
    }
    var weightSums = FixedPointSum(count: groupCount, bound: 1, terms: imageCount)
    var real: [Double] = []
    var imaginary: [Double] = []
    var product: [Double] = []
    for image in 0..<statistics.count {
      let group = Int(groups[groups.startIndex + image])
      let weight = Double(weights?[image] ?? 1)
      weightSums.add(weight, at: group)
      for k in 0..<layout.blockCount {
        let components = layout.components(ofBlock: k)
        let p = components.count
        real.removeAll(keepingCapacity: true)
        imaginary.removeAll(keepingCapacity: true)
        for component in components {
          let z = statistics.value(image: image, component: component)
          real.append(Double(z.re))
          imaginary.append(Double(z.im))
        }
        if k == 0 { meanSum.add(real.map { weight * $0 }, at: group * p0) }
        product.removeAll(keepingCapacity: true)
        for q in 0..<p {
          for r in 0...q {
            product.append(weight * (real[q] * real[r] + imaginary[q] * imaginary[r]))
          }
        }
        products[k].add(product, at: group * p * (p + 1) / 2)
      }
      try observer.stageAdvanced(to: image + 1)
    }
    let reduced = try observer.communicating {
      (try meanSum.reduced(over: comm), try products.map { try $0.reduced(over: comm) })
    }
    counts = weights == nil ? nil : try weightSums.reduced(over: comm)
    sums = (0..<groupCount).map { Array(reduced.0[$0 * p0..<($0 + 1) * p0]) }
    self.products = (0..<groupCount).map { group in
      (0..<layout.blockCount).map { k in
        let p = layout.components(ofBlock: k).count
        var matrix = Matrix(rows: p, columns: p)
        var at = group * p * (p + 1) / 2
        for q in 0..<p {
          for r in 0...q {
            matrix[q, r] = reduced.1[k][at]
            matrix[r, q] = reduced.1[k][at]
            at += 1
          }
        }
        return matrix
      }
    }
  }
}
