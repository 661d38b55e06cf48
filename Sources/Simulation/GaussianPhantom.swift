import Foundation

/// A density that is a sum of 3-D Gaussians, so that its projections are known in closed form.
///
/// Lengths are in voxels, positions count from the centre voxel `boxSize / 2`.
public struct GaussianPhantom: DensityMap, Sendable {
  /// One normal density, times a mass, elongated or flattened along one direction.
  public struct Component: Sendable {
    /// The integral over space.
    public let mass: Double
    /// The mean.
    public let centre: SIMD3<Double>
    /// The columns of the covariance matrix.
    let covariance: (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>)

    /// A component with standard deviation `along` in `direction` (any length but zero) and
    /// `across` perpendicular to it; `along == across` is isotropic.
    public init(
      mass: Double, centre: SIMD3<Double>, direction: SIMD3<Double> = [0, 0, 1], along: Double,
      across: Double
    ) {
      self.mass = mass
      self.centre = centre
      let unit = direction / dot(direction, direction).squareRoot()
      let excess = along * along - across * across
      func column(_ axis: Int) -> SIMD3<Double> {
        var column = unit * (unit[axis] * excess)
        column[axis] += across * across
        return column
      }
      covariance = (column(0), column(1), column(2))
    }

    /// a^T covariance b.
    func variance(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double {
      dot(a, covariance.0 * b.x + covariance.1 * b.y + covariance.2 * b.z)
    }
  }

  /// Edge of the box in voxels.
  public let boxSize: Int
  /// The Gaussians whose sum the phantom is.
  public let components: [Component]

  /// The sum of `components` in a box.
  public init(boxSize: Int, components: [Component]) {
    self.boxSize = boxSize
    self.components = components
  }

  /// The exact projection: at pixel (x, y) of a row-major `boxSize`^2 image, the integral of the
  /// density along the viewing direction, in density times voxels.
  public func projection(_ orientation: Orientation) -> [Double] {
    var image = [Double](repeating: 0, count: boxSize * boxSize)
    let (u, v) = (orientation.xAxis, orientation.yAxis)
    for component in components {
      let (x0, y0) = (dot(u, component.centre), dot(v, component.centre))
      let (xx, xy, yy) = (
        component.variance(u, u), component.variance(u, v), component.variance(v, v)
      )
      let determinant = xx * yy - xy * xy
      let peak = component.mass / (2 * .pi * determinant.squareRoot())
      for row in 0..<boxSize {
        let y = Double(row - boxSize / 2) - y0
        for column in 0..<boxSize {
          let x = Double(column - boxSize / 2) - x0
          let distance = (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant
          image[row * boxSize + column] += peak * exp(-distance / 2)
        }
      }
    }
    return image
  }

  public func readSection(_ z: Int, into values: UnsafeMutableBufferPointer<Double>) throws {
    values.update(repeating: 0)
    for component in components { add(component, section: z, to: values) }
  }

  /// Adds a component's values in one section, within `reach` standard deviations, where a
  /// Gaussian has fallen below the rounding error of double precision.
  private func add(
    _ component: Component, section: Int, to values: UnsafeMutableBufferPointer<Double>
  ) {
    let reach = 8.6
    let (a, b, c) = component.covariance
    let deviation = SIMD3(a.x, b.y, c.z).squareRoot() * reach
    let middle = component.centre + Double(boxSize / 2)
    let low = (middle - deviation).rounded(.up).clamped(lowerBound: .zero, upperBound: limit)
    let high = (middle + deviation).rounded(.down).clamped(lowerBound: -.one, upperBound: edge)
    guard Double(section) >= low.z, Double(section) <= high.z else { return }

    // The inverse of the covariance by cofactors: column i is the cross product of the other two.
    let determinant = dot(a, cross(b, c))
    let inverse = (cross(b, c) / determinant, cross(c, a) / determinant, cross(a, b) / determinant)
    let scale = component.mass / ((2 * .pi) * (2 * .pi) * (2 * .pi) * determinant).squareRoot()
    let z = Double(section) - middle.z
    for row in Int(low.y)..<Int(high.y) + 1 {
      let y = Double(row) - middle.y
      for column in Int(low.x)..<Int(high.x) + 1 {
        let r = SIMD3(Double(column) - middle.x, y, z)
        let distance = dot(r, inverse.0 * r.x + inverse.1 * r.y + inverse.2 * r.z)
        values[row * boxSize + column] += scale * exp(-distance / 2)
      }
    }
  }

  private var limit: SIMD3<Double> { SIMD3(repeating: Double(boxSize)) }
  private var edge: SIMD3<Double> { SIMD3(repeating: Double(boxSize - 1)) }
}

func dot(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double { (a * b).sum() }

private func cross(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> SIMD3<Double> {
  [a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x]
}
