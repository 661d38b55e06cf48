import Foundation
import LinearAlgebra

/// The log-likelihood of images at every displacement of a grid, under the posterior of what else is known of what they
/// show (method E.21.1):
///
///     c(s) = <mu, z(s)> + 1/2 (b(s) + b_c)^H (I + F_g + F_c)^{-1} (b(s) + b_c),     z(s) = A^T W^2 y moved by -s
///
/// b_c and F_c are those of the image's class without the image, and 0 where only mean and covariance of all are known.
/// What does not depend on s is left out.
///
/// Works on 16 images side by side; one instance a thread. What it computes for an image does not depend on the image's
/// lane or its companions.
package final class ShiftLikelihood {
  let filters: ShiftFilters
  let grid: ShiftGrid
  private let layout: AngularLayout
  /// Spectra, their centre as origin, [point][part].
  private var spectrum: [SIMD16<Float>]
  /// b(s) + b_c of a block's components, [component][part][point of the grid].
  private var statistics: [SIMD16<Float>]
  /// c(s), [row][column].
  private(set) var scores: [SIMD16<Float>]
  private var partial: [SIMD16<Float>]
  /// cos and sin(2 pi k x / size), [k][x] for x of the grid from 0 on.
  private let cosines: [Float]
  private let sines: [Float]

  /// - Parameter posterior: of the images; the filters are made of it.
  init(_ posterior: PosteriorModel, filters: ShiftFilters, size: Int, grid: ShiftGrid) {
    self.filters = filters
    self.grid = grid
    let layout = posterior.layout
    self.layout = layout
    spectrum = .init(repeating: .zero, count: 2 * filters.points)
    let most = (0..<layout.blockCount).map { layout.components(ofBlock: $0).count }.max() ?? 0
    let points = grid.width * grid.width
    statistics = .init(repeating: .zero, count: max(1, most) * 2 * points)
    scores = .init(repeating: .zero, count: points)
    partial = .init(repeating: .zero, count: 2 * filters.rows * grid.width)
    let step = 2 * Double.pi * grid.spacing / Double(size)
    let phases: [Double] = (0...filters.half).flatMap { k in
      (0...grid.reach).map { step * Double(k * $0) }
    }
    cosines = phases.map { Float(cos($0)) }
    sines = phases.map { Float(sin($0)) }
  }

  /// Puts an image into a lane.
  /// - Parameters:
  ///   - values: the spectrum of A^T W^2 y, see `PlanarFFT`.
  ///   - centre: what moves its origin to the centre of the image.
  func load(
    _ values: UnsafePointer<SIMD2<Float>>, _ centre: [SIMD2<Float>], size: Int, lane: Int
  ) {
    let stride = size / 2 + 1
    for row in 0..<filters.rows {
      let ky = row - filters.half
      let source = (ky >= 0 ? ky : ky + size) * stride
      for column in 0..<filters.columns {
        let (value, phase) = (values[source + column], centre[source + column])
        let at = 2 * (row * filters.columns + column)
        spectrum[at][lane] = value.x * phase.x - value.y * phase.y
        spectrum[at + 1][lane] = value.x * phase.y + value.y * phase.x
      }
    }
  }

  /// What is known of an image beside its pixels.
  package struct Known {
    /// The defocus group.
    var group: Int
    /// b_c, component-major, (re, im); empty for 0.
    var statistic: [Float] = []
    /// (I + F_g + F_c)^{-1} of each block.
    var covariance: [Matrix]

    package init(group: Int, statistic: [Float] = [], covariance: [Matrix]) {
      (self.group, self.statistic, self.covariance) = (group, statistic, covariance)
    }
  }

  /// Fills `scores` for the loaded images, of which there are `known.count`.
  func score(_ known: [Known]) {
    let points = scores.count
    transform(filters.filters.count, isOdd: false, into: 0)
    for i in 0..<points { scores[i] = statistics[i] }
    var next = 0
    for block in 0..<layout.blockCount {
      let components = layout.components(ofBlock: block)
      let parts = layout.frequencies[block] == 0 ? 1 : 2
      for component in 0..<components.count {
        for part in 0..<parts {
          let at = (component * 2 + part) * points
          transform(next, isOdd: filters.filters[next].isOdd, into: at)
          next += 1
          var constant = SIMD16<Float>.zero
          for (lane, known) in known.enumerated() {
            if !known.statistic.isEmpty {
              constant[lane] += known.statistic[2 * (components.lowerBound + component) + part]
            }
            if block == filters.meanBlock {
              constant[lane] -= filters.meanStatistic[known.group][component]
            }
          }
          for i in at..<at + points { statistics[i] += constant }
        }
      }
      addQuadratic(block, components.count, parts, known)
    }
  }

  /// Adds 1/2 u^T P u of a block.
  private func addQuadratic(_ block: Int, _ count: Int, _ parts: Int, _ known: [Known]) {
    let points = scores.count
    statistics.withUnsafeBufferPointer { u in
      scores.withUnsafeMutableBufferPointer { scores in
        for row in 0..<count {
          for column in row..<count {
            var weight = SIMD16<Float>.zero
            for (lane, known) in known.enumerated() {
              let value = Float(known.covariance[block][row, column])
              weight[lane] = row == column ? value / 2 : value
            }
            for part in 0..<parts {
              let (first, second) = ((row * 2 + part) * points, (column * 2 + part) * points)
              for i in 0..<points {
                scores[i].addProduct(weight * u[first + i], u[second + i])
              }
            }
          }
        }
      }
    }
  }

  /// A filter's component at every displacement of the grid: sum over half of the Fourier grid of
  /// w Re(Z exp(2 pi i k.s)), or of w Im(...).
  private func transform(_ filter: Int, isOdd: Bool, into target: Int) {
    let (rows, columns, width, reach) = (filters.rows, filters.columns, grid.width, grid.reach)
    let stride = reach + 1
    filters.weights.withUnsafeBufferPointer { weights in
      spectrum.withUnsafeBufferPointer { spectrum in
        cosines.withUnsafeBufferPointer { cosines in
          sines.withUnsafeBufferPointer { sines in
            partial.withUnsafeMutableBufferPointer { partial in
              let weights = weights.baseAddress! + filter * filters.points
              for row in 0..<rows {
                let source = spectrum.baseAddress! + 2 * row * columns
                for x in 0...reach {
                  var (a, b) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
                  var (c, d) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
                  for k in 0..<columns {
                    let weight = weights[row * columns + k]
                    let cosine = SIMD16(repeating: weight * cosines[k * stride + x])
                    let sine = SIMD16(repeating: weight * sines[k * stride + x])
                    // Im z = Re(-i z).
                    let re = isOdd ? source[2 * k + 1] : source[2 * k]
                    let im = isOdd ? -source[2 * k] : source[2 * k + 1]
                    a.addProduct(cosine, re)
                    b.addProduct(sine, im)
                    c.addProduct(sine, re)
                    d.addProduct(cosine, im)
                  }
                  let at = 2 * (row * width + reach)
                  partial[at + 2 * x] = a - b
                  partial[at + 2 * x + 1] = c + d
                  partial[at - 2 * x] = a + b
                  partial[at - 2 * x + 1] = d - c
                }
              }
              statistics.withUnsafeMutableBufferPointer { statistics in
                for x in 0..<width {
                  for y in 0...reach {
                    var (a, b) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
                    for row in 0..<rows {
                      let k = row - filters.half
                      let (cosine, sine) = (
                        cosines[abs(k) * stride + y],
                        k < 0 ? -sines[-k * stride + y] : sines[k * stride + y]
                      )
                      a.addProduct(SIMD16(repeating: cosine), partial[2 * (row * width + x)])
                      b.addProduct(SIMD16(repeating: sine), partial[2 * (row * width + x) + 1])
                    }
                    statistics[target + (reach + y) * width + x] = a - b
                    statistics[target + (reach - y) * width + x] = a + b
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
