import Foundation

/// J_k(x), the Bessel function of the first kind, for integer order k >= 0.
public func besselJ(_ order: Int, _ x: Double) -> Double { jn(Int32(order), x) }

/// J_0(x) ... J_maximum(x) at once, by Miller's downward recurrence from a high order.
public func besselJs(through maximum: Int, at x: Double) -> [Double] {
  var values = [Double](repeating: 0, count: maximum + 1)
  if x == 0 {
    values[0] = 1
    return values
  }
  // Far above both the order and x, J is negligible; 2 sum J_2m + J_0 = 1 gives the scale.
  let top = 2 * ((max(maximum, Int(abs(x))) + 20 + Int(pow(abs(x), 1.0 / 3) * 12)) / 2 + 1)
  var (above, here) = (0.0, 1e-300)
  var norm = 0.0
  for k in stride(from: top, through: 1, by: -1) {
    let below = Double(2 * k) / x * here - above
    (above, here) = (here, below)
    if k - 1 <= maximum { values[k - 1] = here }
    if (k - 1) % 2 == 0 { norm += k - 1 == 0 ? here : 2 * here }
    if abs(here) > 1e200 {
      above *= 1e-250
      here *= 1e-250
      norm *= 1e-250
      for q in values.indices { values[q] *= 1e-250 }
    }
  }
  return values.map { $0 / norm }
}

/// The positive zeros of J_0, J_1, ... up to the first one above `limit` in each order: row k ends with
/// a zero above the limit; orders whose first zero is above it are left out.
///
/// The zeros of neighbouring orders interlace, j_{k,q} < j_{k+1,q} < j_{k,q+1}, so each order brackets
/// the next.
public func besselZeros(upTo limit: Double) -> [[Double]] {
  let first = (1...Int(limit / .pi) + 2).map { q in
    let guess = (Double(q) - 0.25) * .pi
    return besselZero(order: 0, between: guess - 1, and: guess + 1)
  }
  var rows: [[Double]] = []
  var current = Array(first[...first.firstIndex { $0 > limit }!])
  while current[0] <= limit {
    rows.append(current)
    let order = rows.count
    var next = zip(current, current.dropFirst()).map {
      besselZero(order: order, between: $0, and: $1)
    }
    if next.last! <= limit {
      // One more zero of this order lies before the next of the last order, which is no farther
      // than that order's last gap (gaps shrink towards pi, but grow towards it for order 0).
      let last = current[current.count - 1]
      let gap = max(last - current[current.count - 2], .pi)
      next.append(besselZero(order: order, between: last, and: last + gap))
    }
    current = next
  }
  return rows
}

/// The only zero of J_order between two points where its signs differ: bisection, then Newton's
/// method.
private func besselZero(order: Int, between lower: Double, and upper: Double) -> Double {
  var (a, b) = (lower, upper)
  let positive = besselJ(order, a + 1e-9) > 0
  for _ in 0..<10 {
    let middle = (a + b) / 2
    if (besselJ(order, middle) > 0) == positive { a = middle } else { b = middle }
  }
  var x = (a + b) / 2
  for _ in 0..<6 {
    let value = besselJ(order, x)
    let derivative = Double(order) / x * value - besselJ(order + 1, x)
    let step = value / derivative
    x -= step
    if abs(step) < 1e-14 * x { break }
  }
  return x
}
